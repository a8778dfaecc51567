"""LabelMe: one JSON file of shapes per image.

Known layouts: JSON files beside their images, or in labels/ and the like beside images/, and both within split folders
(train/, labels/train/, train/labels/).
"""

import re

from tqdm import tqdm

from keras_centernet.data.formats.labelme.shapes import objects_of, point_labels
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import is_usual_split
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.json_heads import read_json_head
from keras_centernet.data.reading.split_files import images_beside
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import read_json
from keras_centernet.files.paths import AnyPath, map_files, to_path
from keras_centernet.tasks.skeletons import Skeleton

_PLACES = ("*.json", "*/*.json", "*/*/*.json")
_TRIED = 20  # files of a folder whose content is checked
_KEYS = {"imagePath", "imageData", "imageHeight", "imageWidth", "version", "flags"}
_NO_LABELS = "JSON file(s) passed over, they hold no shapes"
_INSIDE = "image(s) that are only inside of their label file (imageData), which is not read; save them as files"
_WITHOUT_LABELS = "image(s) without label file left out"


def read_labelme(request: DataRequest) -> Found:
    """Returns one split of a data set in LabelMe's format.

    Rectangles, polygons and circles are objects; shapes with the same label and group_id are one object. The field
    "keypoints_xyv" holds the points that share a group_id with an object, named by their labels. Images without a label
    file are left out, because it is not known that they show no objects.

    Raises:
        UserError: a file, a folder or a value in a file is missing or wrong.
    """
    folders = _label_folders(request)
    chosen = [folder for folder, split in folders.items() if request.split in (None, split)]
    found = Found(f"{request.data} ({request.split or 'all'})", unit="shape")
    names = _keypoint_names(request, list(folders)) if request.fields else None
    if names is not None:
        found.task_options = {"skeleton": Skeleton(names, flip_pairs=None).to_dict()}
    left_out: set[AnyPath] = set()
    for folder in chosen:
        files = images_beside(request, folder / "labels.json", folders[folder] or folder.name)
        _add_folder(found, _label_files(folder, request), files, names)
        left_out |= set() if request.path.is_file() else set(files.others())
        for what, guessed in files.notes.items():
            found.notes.setdefault(what, []).extend(guessed)
    found.notes[_WITHOUT_LABELS] = sorted(set(map(str, left_out)) - set(found.images))
    return found


def labelme_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits after which folders of label files are named; () if none is.

    If some are, every other folder of label files is also a split, under its own name.
    """
    splits = _label_folders(request).values()
    return tuple(dict.fromkeys(split for split in splits if split is not None))


def is_labelme_data(path: AnyPath) -> bool:
    """Returns whether a path is a JSON file in LabelMe's format, or a folder with such files in a known layout."""
    if path.suffix == ".json" and path.is_file():
        return _is_labelme_file(path)
    return path.is_dir() and any(_holds_labels(paths) for paths in _by_folder(path).values())


def _is_labelme_file(path: AnyPath) -> bool:
    head = read_json_head(path)
    if head.is_list:
        return False
    return ("shapes" in head.keys and bool(head.keys & _KEYS)) or (not head.is_whole and "imageData" in head.keys)


def _by_folder(root: AnyPath) -> dict[AnyPath, list[AnyPath]]:
    """Returns {folder: its JSON files} for a folder and the two levels below it."""
    by_folder: dict[AnyPath, list[AnyPath]] = {}
    for place in _PLACES:
        for path in sorted(root.glob(place), key=str):
            if not any(part.startswith(".") for part in path.relative_to(root).parts):
                by_folder.setdefault(path.parent, []).append(path)
    return by_folder


def _holds_labels(paths: list[AnyPath]) -> bool:
    return any(_is_labelme_file(path) for path in paths[:_TRIED])


def _label_folders(request: DataRequest) -> dict[AnyPath, str | None]:
    """Returns {folder of label files: name of its split, or None}."""
    root = to_path(request.annotations) if request.annotations is not None else request.path
    if root.is_file():
        return {root.parent: None}
    folders = [folder for folder, paths in _by_folder(root).items() if _holds_labels(paths)]
    if not folders:
        raise UserError(
            f"{root}: expected JSON files in LabelMe's format, got none; pass their folder as `annotations`."
        )
    splits = {}
    for folder in folders:
        parts = folder.relative_to(root).parts
        splits[folder] = next((part for part in parts if is_usual_split(part)), None)
    if any(splits.values()):
        splits = {folder: split or str(folder.relative_to(root)) for folder, split in splits.items()}
    return splits


def _label_files(folder: AnyPath, request: DataRequest) -> list[AnyPath]:
    given = to_path(request.annotations) if request.annotations is not None else request.path
    return [given] if given.is_file() else sorted(folder.glob("*.json"))


def _read_labels(paths: list[AnyPath], description: str) -> list[dict | None]:
    """Returns the content of each file without its embedded image; None for a file without shapes."""

    def read(path):
        content = read_json(path)
        if not isinstance(content, dict) or "shapes" not in content:
            return None
        return content | {"imageData": content.get("imageData") is not None}

    bar = tqdm(map_files(read, paths), description, len(paths), delay=2, leave=False, disable=None)
    return list(bar)


def _keypoint_names(request: DataRequest, folders: list[AnyPath]) -> tuple[str, ...]:
    """Returns the labels of all grouped points in all splits, sorted naturally: numbers in them count as numbers."""
    names: set[str] = set()
    for folder in folders:
        paths = _label_files(folder, request)
        for path, content in zip(paths, _read_labels(paths, "reading keypoints"), strict=True):
            names |= point_labels(content, path) if content is not None else set()
    if not names:
        expected = "points that share a group_id with a rectangle or polygon, as keypoints"
        raise UserError(f"{request.data}: expected {expected}, got none; choose task detection.")
    return tuple(
        sorted(names, key=lambda name: [(int(p) if p.isdecimal() else 0, p) for p in re.split(r"(\d+)", name)])
    )


def _add_folder(found: Found, paths: list[AnyPath], files: ImageFiles, names: tuple[str, ...] | None) -> None:
    """Adds the images of one folder of label files; `names` are the keypoints' names, or None without keypoints."""
    contents = dict(zip(paths, _read_labels(paths, "reading annotations"), strict=True))
    for path in [path for path, content in contents.items() if content is None]:
        found.note(_NO_LABELS, str(path))
        del contents[path]
    image_names = [_image_name(content, path, files) for path, content in contents.items()]
    images = files.find_all(image_names)
    missing = set(files.missing)
    for image, name, (path, content) in zip(images, image_names, contents.items(), strict=True):
        if name in missing and content["imageData"]:
            found.note(_INSIDE, str(path))
        index = found.add_image(image, path, hw=(content.get("imageHeight"), content.get("imageWidth")))
        for label, box_xyxy, number, is_difficult, keypoints in objects_of(content, path, found, names):
            fields = {"keypoints_xyv": keypoints} if names is not None else {}
            found.add_object(index, label, box_xyxy, number, is_difficult=is_difficult, **fields)


def _image_name(content: dict, path: AnyPath, files: ImageFiles) -> str:
    """Returns the name of an image: the one that the label file states if that exists, else that of the label file."""
    name = content.get("imagePath")
    if name is not None and (not isinstance(name, str) or "\0" in name):
        raise UserError(f"{path}: expected the name of a file as imagePath, got {name!r}.")
    if name and files.find_exactly(name) is not None:
        return name
    image = files.find_stem(path.stem)
    return image.name if image is not None else name or f"{path.stem}.jpg"
