"""COCO: one JSON file of instances per split and folders of images."""

import json
import operator
import re

from keras_centernet.data.counting import warn_counted
from keras_centernet.data.formats.coco_keypoints import CocoKeypoints
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import split_names
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path

_KEYPOINT_FILES = ("annotations/person_keypoints_{}.json", "person_keypoints_{}.json")
_FILES = ("annotations/instances_{}.json", "annotations/{}.json", "{}/_annotations.coco.json", "instances_{}.json")
_NEEDED = {
    "images": ("id", "file_name"),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def read_coco(request: DataRequest) -> Found:
    """Returns one split of a data set in COCO format.

    The classes are the file's categories in the order of their ids, made contiguous; image ids, crowd
    marks and areas (of the masks) are kept. All annotations are used, as published.

    A split is annotations/instances_<split>*.json, or the JSON file that `data` or `annotations` names, whatever its
    name; images are in <split>*/, images/<split>*/, images/ or beside the JSON file. The field "keypoints_xyv" is read
    from annotations/person_keypoints_<split>*.json where there is one. Keypoints, limbs and (ours) "flip_pairs" and
    "sigmas" are those of the categories; several categories with different keypoints have theirs one after the other.

    Raises:
        UserError: a file, a folder or a value in the file is not what it should be.
    """
    folder, split = request.path, request.split
    if request.annotations is not None:
        path = to_path(request.annotations)
    elif folder.is_file():
        path, folder = folder, folder.parent
    else:
        path = _find_split_file(folder, split, (_KEYPOINT_FILES if request.fields else ()) + _FILES)
    content = _read_json(path)
    if not content["images"]:
        raise UserError(f"{path}: expected at least one image, got an empty split; choose another split.")
    names_by_id = {
        category["id"]: category["name"] for category in sorted(content["categories"], key=operator.itemgetter("id"))
    }
    positions = {image["id"]: i for i, image in enumerate(content["images"])}
    if len(positions) < len(content["images"]):
        raise UserError(f"{path}: expected every image id once, got some twice; number the images anew.")
    kept = [entry for entry in content["annotations"] if entry["image_id"] in positions]
    orphans = [entry for entry in content["annotations"] if entry["image_id"] not in positions]
    orphan_names = [f"annotation {entry.get('id')} of image {entry['image_id']}" for entry in orphans]
    warn_counted(orphan_names, f"annotation(s) of {path} skipped, their image is not in its list of images")
    keypoints = CocoKeypoints(content["categories"], path) if request.fields else None
    image_folder = _find_image_folder(folder, path, split, request.images, content["images"])
    found = Found(
        f"{path} ({split})",
        unit="annotation",
        classes=tuple(dict.fromkeys(names_by_id.values())),
        task_options={"skeleton": keypoints.skeleton.to_dict()} if keypoints else {},
        category_ids={name: key for key, name in names_by_id.items()},
    )
    for image in content["images"]:
        hw = (image.get("height"), image.get("width"))
        found.add_image(image_folder / image["file_name"], path, hw=hw, image_id=image["id"])
    rows = keypoints.read(kept) if keypoints else None
    for i, entry in enumerate(kept):
        fields = {"keypoints_xyv": rows[i]} if keypoints else {}
        _add(found, positions[entry["image_id"]], names_by_id[_category(entry, names_by_id, path)], entry, fields)
    return found


def is_coco_data(path: AnyPath) -> bool:
    """Whether a path is a JSON file, or a folder that holds one by a usual name."""
    patterns = (*(name.format("*") for name in (*_FILES, *_KEYPOINT_FILES)), "annotations.json")
    if path.suffix == ".json" and path.is_file():
        return True
    return path.is_dir() and any(next(iter(path.glob(pattern)), None) for pattern in patterns)


def _find_split_file(folder: AnyPath, split: str, names_of_files: tuple[str, ...]) -> AnyPath:
    for name in split_names(split):
        exact = re.compile(re.escape(name) + r"([-_]?\d+)?")
        for pattern in names_of_files:
            before, after = pattern.split("{}")
            paths = [
                path
                for path in sorted(folder.glob(pattern.format(f"{name}*")))
                if exact.fullmatch(path.relative_to(folder).as_posix()[len(before) : -len(after)])
            ]
            if len(paths) > 1:
                expected = f"one COCO file for split {split!r}"
                raise UserError(f"{folder}: expected {expected}, got {_show(paths)}; pass `annotations`.")
            if paths:
                return paths[0]
    found = [path for pattern in (*names_of_files, "*.json") for path in folder.glob(pattern.replace("{}", "*"))]
    expected = f"annotations/instances_{split}*.json for split {split!r}"
    advice = "choose another split or pass `annotations`."
    raise UserError(f"{folder}: expected {expected}, got {_show(found) or 'no JSON'}; {advice}")


def _show(paths: list[AnyPath]) -> str:
    return ", ".join(sorted({str(path) for path in paths})[:5])


def _read_json(path: AnyPath) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: expected a COCO JSON file, got '{error.strerror}'; correct `annotations`.") from None
    except ValueError as error:
        raise UserError(f"{path}: expected a COCO JSON file, got a file that is not JSON ({error}).") from None
    for key, fields in _NEEDED.items():
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise UserError(f"{path}: expected lists 'images', 'annotations' and 'categories', got no {key!r}.")
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict) or any(field not in entry for field in fields):
                where = f"entry {number} of {key!r}"
                raise UserError(f"{path}: expected {', '.join(fields)} in {where}, got {str(entry)[:80]}.")
    return content


def _category(entry: dict, names_by_id: dict, path: AnyPath) -> int:
    if entry["category_id"] not in names_by_id:
        found = f"{entry['category_id']!r} in annotation {entry.get('id')}"
        raise UserError(f"{path}: expected a category_id of {sorted(names_by_id)}, got {found}; add the category.")
    return entry["category_id"]


def _add(found: Found, image: int, name: str, entry: dict, fields: dict) -> None:
    x, y, width, height = entry["bbox"]
    box_xyxy = (x, y, x + width, y + height)
    is_crowd, number = bool(entry.get("iscrowd")), entry.get("id")
    found.add_object(image, name, box_xyxy, number, is_crowd=is_crowd, area=entry.get("area"), **fields)


def _find_image_folder(folder: AnyPath, path: AnyPath, split: str, images, entries: list[dict]) -> AnyPath:
    if images is not None:
        if not to_path(images).is_dir():
            raise UserError(f"images: expected a folder, got {str(images)!r}, which is none.")
        return to_path(images)
    name = path.stem.removeprefix("instances_").removeprefix("person_keypoints_")
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    parts = (name, f"images/{name}", split, f"images/{split}", "images")
    candidates = [base / part for base in dict.fromkeys((folder, root)) for part in parts] + [path.parent, folder]
    for candidate in candidates:
        if candidate.is_dir() and any((candidate / entry["file_name"]).is_file() for entry in entries[:100]):
            return candidate
    found = f"found none of the first {min(len(entries), 100)}; pass `images`."
    raise UserError(f"{path}: expected its images in {_show(candidates[:5])} or beside it, {found}")


def coco_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits that a folder has files for."""
    if request.annotations is not None or request.path.is_file():
        return ()
    names = {}
    for pattern in (_KEYPOINT_FILES if request.fields else ()) + _FILES:
        before, after = pattern.split("{}")
        for path in sorted(request.path.glob(pattern.replace("{}", "*"))):
            names[path.relative_to(request.path).as_posix()[len(before) : -len(after)]] = None
    return tuple(names)
