"""Finds the tables of a split, and the folders of the images that they name.

Known layouts: _annotations.csv in split folders train/, valid/, test/ (Roboflow); files named after their split, such
as train_labels.csv or validation-annotations-bbox.csv, in the folder or a subfolder, with the images in images/ or
beside the tables; any other tables there, which are read together.
"""

import re

from keras_centernet.data.formats.csv.table import SUFFIXES, read_layout
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import is_usual_split, match_split, split_folders
from keras_centernet.files.paths import AnyPath, to_path

_IMAGE_FOLDERS = ("images", "Images", "JPEGImages", "imgs", "img")


def is_csv_data(path: AnyPath) -> bool:
    """Returns whether a path is a table of boxes, or a folder that holds one."""
    if path.suffix.lower() in SUFFIXES:
        return read_layout(path) is not None
    return path.is_dir() and bool(_tables_in(path)[0])


def csv_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits that have tables; () if no table belongs to a split."""
    return tuple(name for name in find_tables(request)[0] if name is not None)


def find_tables(request: DataRequest) -> tuple[dict[str | None, list[AnyPath]], list[AnyPath]]:
    """Returns ({split: its tables}, tables that are not read).

    Tables that belong to no split have the key None and are read only if there are no others. Of the tables of one
    split, those in the folder are read and not those in its subfolders.
    """
    if request.annotations is not None:
        return {None: [to_path(request.annotations)]}, []
    return _tables_in(request.path) if request.path.is_dir() else ({None: [request.path]}, [])


def image_folders(table: AnyPath, request: DataRequest) -> list[AnyPath]:
    """Returns the folders that could hold the images of a table, the likeliest first."""
    if request.images is not None:
        return [to_path(request.images)]
    bases = dict.fromkeys((table.parent, _root(request)))
    folders = [folder for base in bases for folder in (base, *(base / name for name in _IMAGE_FOLDERS))]
    split = _split_of(table, _root(request))
    of_split = [] if split is None else [path for folder in folders for path in _folders_of(split, folder)]
    beside = [table.parent.parent / name for name in _IMAGE_FOLDERS]
    return [*of_split, *folders, *beside]


def root_of(table: AnyPath, request: DataRequest) -> AnyPath:
    """Returns the folder below which images of a table are searched for last."""
    return table.parent if is_usual_split(table.parent.name) else _root(request)


def _root(request: DataRequest) -> AnyPath:
    return request.path if request.path.is_dir() else request.path.parent


def _tables_in(root: AnyPath) -> tuple[dict[str | None, list[AnyPath]], list[AnyPath]]:
    found: dict[str | None, list[AnyPath]] = {}
    not_read = []
    for pattern in ("*", "*/*"):
        paths = sorted(path for suffix in SUFFIXES for path in root.glob(pattern + suffix))
        here: dict[str | None, list[AnyPath]] = {}
        for path in paths:
            if path.name[0] != "." and read_layout(path) is not None:
                here.setdefault(_split_of(path, root), []).append(path)
        not_read += [path for name, paths in here.items() if name in found for path in paths]
        found = here | found
    if len(found) > 1:
        not_read = found.pop(None, []) + not_read
    return found, not_read


def _split_of(table: AnyPath, root: AnyPath) -> str | None:
    """Returns the name of a split in the name of a table's folder or of the table; None if there is none."""
    parent = [table.parent.name] if table.parent != root else []
    words = [*parent, *re.split(r"[-_. ]+", table.stem)]
    return next((word for word in words if word and is_usual_split(word)), None)


def _folders_of(split: str, folder: AnyPath) -> list[AnyPath]:
    return [path for name, path in split_folders(folder).items() if match_split(split, [name])]
