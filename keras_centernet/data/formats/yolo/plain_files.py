"""Names of classes and splits in files other than YAML: darknet's obj.data, lists of names, Label Studio's notes."""

from collections.abc import Iterable

from keras_centernet.data.formats.yolo.description import Description, Names
from keras_centernet.data.names import is_usual_split
from keras_centernet.data.reading.texts import read_lines
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import read_json
from keras_centernet.files.paths import AnyPath, exists, join

NOTES = "notes.json"
# Files of class names, one per line, which labelling tools save beside the images, the labels or the folders of both.
LISTS_OF_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "classes.names", "predefined_classes.txt")


def describe_darknet(path: AnyPath) -> Description:
    """Returns the content of darknet's .data file: lines "key = value" for the lists of images and the file of names.

    Raises:
        UserError: a line has another form, or the file of names is missing.
    """
    values = {}
    for number, line in enumerate(read_lines(path), start=1):
        key, sign, value = line.partition("=")
        if line and not line.startswith("#"):
            if not sign:
                raise UserError(f"{path}, line {number}: expected 'key = value', got {line[:60]!r}.")
            values[key.strip()] = value.strip().strip("\"'")
    folder = path.parent
    folders = tuple(dict.fromkeys((folder, folder.parent)))
    names_file = find_place(values.get("names", ""), folders) if values.get("names") else None
    names_file = names_file or next((p for p in (folder / name for name in LISTS_OF_NAMES) if exists(p)), None)
    if names_file is None:
        raise UserError(
            f"{path}: expected the file of class names as 'names', got {values.get('names')!r}; correct it."
        )
    splits = {key: (value,) for key, value in values.items() if is_usual_split(key) and value}
    return Description(path, folders, read_names(names_file), splits)


def is_darknet(path: AnyPath) -> bool:
    """Returns whether a .data file is one of darknet's."""
    try:
        keys = {line.partition("=")[0].strip() for line in read_lines(path)}
    except UserError:
        return False
    return bool(keys & {"names", "train", "valid"})


def find_names(folders: Iterable[AnyPath]) -> tuple[AnyPath, Names] | None:
    """Returns (the first file of class names in the folders, its names); None if there is none.

    Raises:
        UserError: files in different folders contradict each other.
    """
    found = None
    for folder in folders:
        paths = (folder / name for name in (*LISTS_OF_NAMES, NOTES))
        path = next((path for path in paths if exists(path)), None)
        if path is None:
            continue
        names = _read_notes(path) if path.name == NOTES else read_names(path)
        if found is not None and names != found[1]:
            expected = f"the class names of {found[0]}, {list(found[1])[:8]}"
            raise UserError(f"{path}: expected {expected}, got {list(names)[:8]}; make them equal.")
        found = found or (path, names)
    return found


def read_names(path: AnyPath) -> Names:
    """Returns the names in a file, one per line; empty lines are allowed only at the end."""
    lines = read_lines(path)
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines):
        raise UserError(f"{path}: expected the name of a class in every line, got {lines[:5]}.")
    return tuple(lines)


def find_place(entry: str, folders: Iterable[AnyPath]) -> AnyPath | None:
    """Returns the file or folder that a path, possibly of another machine, refers to; None if there is none.

    It is the longest end of the path that exists in one of the folders. The part left off must not contain the name of
    a split, unless the rest contains one, too.
    """
    folders = list(folders)
    plain = entry.replace("\\", "/")
    for folder in folders:
        for name in dict.fromkeys((entry, plain)):
            if exists(path := join(folder, name)):
                return path
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        left_off, end = parts[:start], parts[start:]
        if any(map(is_usual_split, left_off)) and not any(is_usual_split(part.partition(".")[0]) for part in end):
            break
        for folder in folders:
            if exists(path := join(folder, "/".join(end))):
                return path
    return None


def _read_notes(path: AnyPath) -> Names:
    content = read_json(path)
    entries = content.get("categories") if isinstance(content, dict) else None
    is_list = isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)
    names = {entry.get("id"): entry.get("name") for entry in entries} if is_list and _are_plain(entries) else {}
    if not names or sorted(names) != list(range(len(entries))):
        expected = "'categories' with ids from 0 and names, as Label Studio writes them"
        raise UserError(f"{path}: expected {expected}, got {str(entries)[:80]}.")
    return tuple(names[i] for i in range(len(names)))


def _are_plain(entries: list[dict]) -> bool:
    return all(type(entry.get("id")) is int and isinstance(entry.get("name"), str) for entry in entries)
