"""Folders that are results as a whole, such as a SavedModel: a marker file in them says that they are ours."""

import json

from keras_centernet.files.paths import AnyPath, list_names

MARKER = "keras_centernet.json"
FORMAT, VERSION = "keras_centernet folder", 1


def mark(folder: AnyPath) -> None:
    """Writes the marker, which lists what is in the folder."""
    names = sorted(name.rstrip("/") for name in list_names(folder))
    content = {"format": FORMAT, "version": VERSION, "names": names}
    (folder / MARKER).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def is_marked(folder: AnyPath) -> bool:
    """Whether a folder has a marker and holds nothing that the marker does not list."""
    try:
        content = json.loads((folder / MARKER).read_bytes())
        known = {MARKER, *content["names"]}
        is_ours = content["format"] == FORMAT and content["version"] == VERSION
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return is_ours and {name.rstrip("/") for name in list_names(folder)} <= known
