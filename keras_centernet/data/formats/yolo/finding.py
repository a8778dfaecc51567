"""Finds the description of a YOLO data set, and the folders and lists that it names."""

import dataclasses

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.yolo import layout
from keras_centernet.data.formats.yolo.description import Description
from keras_centernet.data.formats.yolo.plain_files import (
    LISTS_OF_NAMES,
    NOTES,
    describe_darknet,
    find_names,
    find_place,
    is_darknet,
)
from keras_centernet.data.formats.yolo.yaml_file import describe_yaml, looks_like_yolo
from keras_centernet.data.names import match_split
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path

_USUAL_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_YAML = (".yaml", ".yml")


def is_yolo_data(path: AnyPath) -> bool:
    """Returns whether a path is YOLO's YAML or .data file, or a folder with one or with labels in a known layout."""
    if path.suffix.lower() in _YAML:
        return path.is_file()
    if not path.is_dir():
        return path.suffix == ".data" and path.is_file() and is_darknet(path)
    return bool(_yaml_files(path) or _darknet_files(path) or layout.has_labels(path) or _has_named_labels(path))


def describe(request: DataRequest) -> Description:
    """Returns the description of the data set that a request names.

    With the option `images`, the splits are the ones found in that folder, unless the description names only lists of
    images.

    Raises:
        UserError: nothing describes the data set, or the description is wrong.
    """
    described = _describe(request.path)
    lists = all(entry.endswith(".txt") for entries in described.splits.values() for entry in entries)
    if request.images is not None:
        images = to_path(request.images)
        splits = described.splits if described.splits and lists else layout.find_splits(images)
        return dataclasses.replace(described, folders=(images,), splits=splits)
    return described if described.splits else dataclasses.replace(described, splits=layout.find_splits(described.root))


def yolo_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits of which a folder or list exists, and the name of the requested split."""
    described = describe(request)
    is_asked = {name: match_split(request.split, [name]) is not None for name in described.splits}
    return tuple(
        name
        for name, entries in described.splits.items()
        if is_asked[name] or any(find_place(entry, described.folders) for entry in entries)
    )


def places_of(described: Description, split: str | None) -> list[AnyPath]:
    """Returns the folders and lists of images of a split; None: of all existing splits, or of an unsplit data set.

    Raises:
        UserError: a folder or list of the named split does not exist.
    """
    if not described.splits:
        return [described.root / layout.image_folder(described.root)]
    found = []
    for name, entries in described.splits.items():
        for entry in entries if split in (name, None) else ():
            place = find_place(entry, described.folders)
            if place is None and split is not None:
                expected = f"a folder or a list of images for split {split!r}"
                places = ", ".join(str(folder / entry.lstrip("/")) for folder in described.folders[:2])
                raise UserError(f"{described.path}: expected {expected}, got {entry!r}; looked for {places}.")
            found += [place] if place is not None else []
    return list(dict.fromkeys(found))


def _describe(path: AnyPath) -> Description:
    if path.is_file():
        return describe_darknet(path) if path.suffix == ".data" else describe_yaml(path)
    if paths := _yaml_files(path):
        if len(paths) > 1:
            names = ", ".join(one.name for one in paths)
            raise UserError(f"{path}: expected one YAML file, got {names}; pass the right one as `data`.")
        return describe_yaml(paths[0])
    if paths := _darknet_files(path):
        return describe_darknet(paths[0])
    named = find_names(layout.names_folders(path))
    if named is None and not layout.has_labels(path):
        expected = "data.yaml, obj.data, classes.txt or label files in labels/"
        raise UserError(f"{path}: expected {expected}, got none of them; pass the YAML file itself as `data`.")
    return Description(named[0] if named else path, (path,), named[1] if named else None)


def _yaml_files(folder: AnyPath) -> list[AnyPath]:
    """Returns the YAML files that could describe the data set of a folder: the one with a usual name, else all."""
    usual = [folder / name for name in _USUAL_NAMES if (folder / name).is_file()]
    return usual[:1] or [path for end in _YAML for path in sorted(folder.glob(f"*{end}")) if looks_like_yolo(path)]


def _darknet_files(folder: AnyPath) -> list[AnyPath]:
    return [path for path in sorted(folder.glob("*.data")) if is_darknet(path)]


def _has_named_labels(folder: AnyPath) -> bool:
    """Returns whether there is a file of class names, and label files or a folder labels/ (its files can be empty)."""
    folders = layout.names_folders(folder)
    if not any((path / name).is_file() for path in folders for name in (*LISTS_OF_NAMES, NOTES)):
        return False
    has_folder = any(path.name == layout.LABELS and path.is_dir() for path in folders)
    return has_folder or layout.has_labels(folder, is_named=True)
