"""Reads the YAML file of a YOLO data set: names, splits and keypoints; other keys, such as scripts, are ignored."""

import reprlib
from typing import ClassVar

import yaml

from keras_centernet.data.formats.yolo.description import Description, Keypoints, Names
from keras_centernet.data.names import is_usual_split
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import AnyPath, join
from keras_centernet.files.texts import read_text
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton

_NOTHING = (None, "", "~", "null", "Null", "NULL")
_DEEPEST, _MOST = 8, 10_000  # levels of nested lists, and entries of one level
_LONGEST = 4096  # characters of a path


class _Texts(yaml.SafeLoader):
    """Keeps all values as texts, because classes can be named "no" or "1"; only merges ("<<") are resolved."""

    yaml_implicit_resolvers: ClassVar[dict] = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}


def describe_yaml(path: AnyPath) -> Description:
    """Returns the description in a YAML file, as Ultralytics' tools and others write it.

    Raises:
        UserError: the file is not YAML, or a value has the wrong type for its key.
    """
    content = _read(path)
    root = _one_text(content, "path", path) or "."
    folder = path.parent
    # In practice "path" is often relative to another folder than the file's.
    folders = (join(folder, root), folder, join(folder.parent, root), folder / root.rstrip("/").rpartition("/")[2])
    return Description(
        path=path,
        folders=tuple(dict.fromkeys(folders)),
        names=_names(content, path),
        splits={
            key: entries
            for key in content
            if isinstance(key, str) and is_usual_split(key) and (entries := _entries(content, key, path))
        },
        keypoints=_keypoints(content, path),
    )


def looks_like_yolo(path: AnyPath) -> bool:
    """Returns whether a line of a YAML file begins with a key of YOLO's, which other tools' files do not have."""
    try:
        lines = read_text(path).splitlines()
    except UserError:
        return False
    return any(line.partition(":")[0].strip() in ("names", "nc", "kpt_shape") for line in lines if line[:1].isalpha())


def _read(path: AnyPath) -> dict:
    text = read_text(path)
    try:
        content = yaml.load(text, _Texts)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}, line {line}: expected YAML, got an error: {error.problem}.") from None
    except RecursionError:
        raise UserError(f"{path}: expected YAML, got one that is nested too deeply.") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:  # a value that does not fit its tag
        raise UserError(f"{path}: expected YAML, got {first_line(error)}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected lines 'key: value', got {_show(content)}.")
    return content


def _names(content: dict, path: AnyPath) -> Names:
    names, count = content.get("names"), content.get("nc")
    if names in _NOTHING and isinstance(count, str) and count.isdecimal() and 0 < int(count) <= 10_000:
        return tuple(f"class_{i}" for i in range(int(count)))  # as Ultralytics' tools name them
    if isinstance(names, dict):
        names = _numbered(names, "names", path)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: expected 'names', a list or a map of class names, got {_show(names)}.")
    if count not in _NOTHING and count != str(len(names)):
        raise UserError(f"{path}: expected {_show(count)} 'names' as 'nc' says, got {len(names)}.")
    return tuple(names)


def _numbered(values: dict, key: str, path: AnyPath) -> list:
    """Returns the values of {"0": ..., "1": ...} in the order of their numbers."""
    try:
        values = {int(number): value for number, value in values.items()}
    except (ValueError, TypeError):
        raise UserError(f"{path}: expected numbers as keys of {key!r}, got {_show(list(values))}.") from None
    if sorted(values) != list(range(len(values))):
        raise UserError(f"{path}: expected the keys of {key!r} to count from 0, got {_show(sorted(values))}.")
    return [values[i] for i in range(len(values))]


def _entries(content: dict, key: str, path: AnyPath) -> tuple[str, ...]:
    """Returns the folders and lists of a split, flattened if lists are nested."""
    entries, found, depth = [content[key]], [], 0
    while entries and depth < _DEEPEST and len(entries) < _MOST:  # with an alias, a list can contain itself
        found += [entry for entry in entries if not isinstance(entry, list)]
        entries, depth = [inner for entry in entries if isinstance(entry, list) for inner in entry], depth + 1
    found = [entry for entry in found if entry not in _NOTHING]
    if entries or not all(map(_is_path, found)):
        expected = f"a folder, a list of images, or several of them as {key!r}"
        raise UserError(f"{path}: expected {expected}, got {_show(content[key])}.")
    return tuple(found)


def _one_text(content: dict, key: str, path: AnyPath) -> str:
    value = content.get(key)
    if value in _NOTHING:
        return ""
    if not _is_path(value):
        raise UserError(f"{path}: expected one folder as {key!r}, got {_show(value)}.")
    return value


def _is_path(value) -> bool:
    return isinstance(value, str) and "\0" not in value and len(value) <= _LONGEST


def _keypoints(content: dict, path: AnyPath) -> Keypoints | None:
    shape = content.get("kpt_shape")
    if shape in _NOTHING:
        return None
    numbers = _whole_numbers(shape)
    if numbers is None or len(numbers) != 2 or not 0 < numbers[0] <= 10_000 or numbers[1] not in (2, 3):
        expected = "[number of keypoints, 2 or 3] as 'kpt_shape'"
        raise UserError(f"{path}: expected {expected}, got {_show(shape)}.")
    count, values = numbers
    names, order = _keypoint_names(content.get("kpt_names"), count, path), content.get("flip_idx")
    pairs = None if order in _NOTHING else _flip_pairs(order, count, path)
    is_person = names is None and count == len(COCO_PERSON.names) and pairs == tuple(sorted(COCO_PERSON.flip_pairs))
    if is_person or names == COCO_PERSON.names:  # as Ultralytics' tools do
        return Keypoints(count, values, COCO_PERSON)
    return Keypoints(count, values, Skeleton(names or tuple(f"keypoint_{i}" for i in range(count)), pairs))


def _flip_pairs(order, count: int, path: AnyPath) -> tuple[tuple[int, int], ...]:
    numbers = _whole_numbers(order)
    is_exchange = (
        numbers is not None
        and sorted(numbers) == list(range(count))
        and all(numbers[numbers[i]] == i for i in range(count))
    )
    if not is_exchange:
        expected = f"{count} numbers from 0 to {count - 1} that exchange keypoints in pairs as 'flip_idx'"
        raise UserError(f"{path}: expected {expected}, got {_show(order)}.")
    return tuple((i, numbers[i]) for i in range(count) if i < numbers[i])


def _keypoint_names(names, count: int, path: AnyPath) -> Names | None:
    """Returns the names of the keypoints of the first class; the file has them per class, or once for all classes."""
    if names in _NOTHING:
        return None
    names = _numbered(names, "kpt_names", path) if isinstance(names, dict) else names
    first = names[0] if isinstance(names, list) and names and isinstance(names[0], list) else names
    is_good = isinstance(first, list) and all(isinstance(name, str) and name.strip() for name in first)
    if not is_good or len(first) != count or len(set(first)) != count:
        expected = f"{count} different names of keypoints as 'kpt_names'"
        raise UserError(f"{path}: expected {expected}, got {_show(names)}.")
    return tuple(first)


def _whole_numbers(values) -> list[int] | None:
    try:
        return [int(value) for value in values] if isinstance(values, list) else None
    except (ValueError, TypeError):
        return None


def _show(value) -> str:
    """Returns a value of any size and depth, shortened."""
    shown = reprlib.repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
