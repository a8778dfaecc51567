"""Reads a JSON file in COCO format and checks it entry by entry: lists, ids and names."""

import math
from collections.abc import Sequence

from keras_centernet.errors import UserError, shown
from keras_centernet.files.json_file import read_json
from keras_centernet.files.paths import AnyPath

_NEEDED = {"images": ("id",), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
_MARKS = {0: False, 1: True, None: False, "0": False, "1": True}


def read_content(path: AnyPath) -> dict[str, list[dict]]:
    """Returns the lists "images", "annotations" and "categories" of a file, whose entries have all required keys.

    Raises:
        UserError: the file is not JSON, a list is missing, or an entry lacks a key.
    """
    content = read_json(path)
    for key, fields in _NEEDED.items():
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            got = f"no {key!r}" if entries is None else f"{key!r}: {shown(entries)}"
            raise UserError(f"{path}: expected lists 'images', 'annotations' and 'categories' as in COCO, got {got}.")
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict) or any(field not in entry for field in fields):
                raise unexpected(path, ", ".join(fields), number, key, entry)
    return {key: content[key] for key in _NEEDED}


def unexpected(path: AnyPath, expected: str, number: int, key: str, got: object) -> UserError:
    """Returns the error about a wrong entry of a list."""
    return UserError(f"{path}: expected {expected} in entry {number} of {key!r}, got {shown(got)}; correct it.")


def image_name(image: dict, number: int, path: AnyPath) -> str:
    """Returns the name of an image's file, or the end of its URL if it has no name (LVIS)."""
    name = image.get("file_name")
    if name is None and isinstance(image.get("coco_url"), str):
        name = image["coco_url"].rpartition("/")[2]
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise unexpected(path, "the name of a file as file_name", number, "images", image.get("file_name"))
    return name


def category_names(categories: list[dict], path: AnyPath) -> list[str]:
    """Returns the name of each category; an integer, which some tools write, becomes its digits."""
    names = [str(category["name"]) if type(category["name"]) is int else category["name"] for category in categories]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise unexpected(path, "a text as name", number, "categories", name)
    return names


def is_crowd(entry: dict, number: int, path: AnyPath) -> bool:
    """Returns whether an annotation has COCO's crowd mark."""
    mark = entry.get("iscrowd")
    if isinstance(mark, list | dict) or mark not in _MARKS:
        raise unexpected(path, "iscrowd of 0 or 1", number, "annotations", mark)
    return _MARKS[mark]


class Ids:
    """The entries of a list by their ids, any numbers or texts.

    `"1"` and `1` are different ids if a list contains both; otherwise a reference to one also finds the other.

    Args:
        entries: entries with an "id" each.
        key: the list's name.
        path: path of the file, for messages.

    Raises:
        UserError: an id is neither a number nor a text, or occurs twice.
    """

    def __init__(self, entries: list[dict], key: str, path: AnyPath):
        self.own = [entry["id"] for entry in entries]
        self._path, self._positions = path, {}
        by_text: dict[str, list[int]] = {}
        for number, entry in enumerate(entries):
            plain = _plain(entry["id"])
            if plain is None:
                raise unexpected(path, "a number or a text as id", number, key, entry["id"])
            if plain in self._positions:
                where = f"entries {self._positions[plain]} and {number} of {key!r}"
                raise UserError(
                    f"{path}: expected every id once, got {shown(entry['id'])} in {where}; number them anew."
                )
            self._positions[plain] = number
            by_text.setdefault(str(plain), []).append(number)
        self._by_text = {text: numbers[0] for text, numbers in by_text.items() if len(numbers) == 1}

    def position(self, entry: dict, field: str, number: int, of_other_type: list[str]) -> int | None:
        """Returns the position of the entry to which an annotation's `field` refers, or None.

        Args:
            entry: the annotation.
            field: "image_id" or "category_id".
            number: position of the annotation in its list.
            of_other_type: gets a line if the reference has another JSON type than the id it refers to.

        Raises:
            UserError: the field is neither a number nor a text.
        """
        plain = _plain(entry[field])
        if plain is None:
            raise unexpected(self._path, f"a number or a text as {field}", number, "annotations", entry[field])
        position = self._positions.get(plain)
        if position is None and (position := self._by_text.get(str(plain))) is not None:
            of_other_type.append(f"{self._path}: {field} {shown(entry[field])} in entry {number} of 'annotations'")
        return position


def in_order_of_ids(ids: Sequence) -> list[int]:
    """Returns the positions of ids: numbers, and texts of numbers, ascending; then the others in the file's order."""

    def key(position: int):
        try:
            return 0, float(ids[position])
        except (ValueError, OverflowError):
            return 1, 0.0

    return sorted(range(len(ids)), key=key)


def _plain(value) -> int | float | str | None:
    """Returns an id in a form that equals only the same id; None if the value cannot be an id."""
    if isinstance(value, float):
        return None if not math.isfinite(value) else int(value) if value.is_integer() else value
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None
