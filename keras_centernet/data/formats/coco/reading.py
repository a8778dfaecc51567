"""COCO: one JSON file of images, annotations and categories per split, and folders of images."""

import collections

from keras_centernet.data.formats.coco.boxes import WITHOUT_BOX, box_of
from keras_centernet.data.formats.coco.content import (
    Ids,
    category_names,
    image_name,
    in_order_of_ids,
    is_crowd,
    read_content,
)
from keras_centernet.data.formats.coco.finding import PREFIXES, split_file
from keras_centernet.data.formats.coco.keypoints import CocoKeypoints
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.split_files import find_images, images_beside, split_of
from keras_centernet.errors import UserError, shown
from keras_centernet.files.paths import AnyPath

_ORPHANS = "annotation(s) skipped, their image is not in the list of images"
_OTHER_TYPE = "id(s) of another JSON type than the ids that they point to, taken for the same"
_PASSED_OVER = "JSON file(s) passed over, another one is of the same split"
_TWICE = "entries of 'images' name a file that another entry names, too; their objects are put together"


def read_coco(request: DataRequest) -> Found:
    """Returns one split of a data set in COCO format; `finding.py` describes the known layouts.

    The classes are the file's categories in the order of their ids. The ids of images and categories (any numbers and
    texts), the crowd marks and the areas (of the masks) are kept. All annotations are used, as published. If a box is
    not stated, it is the box of the segmentation (polygons or run lengths), else the hull of the marked keypoints.

    The field "keypoints_xyv" is read from annotations/person_keypoints_<split>*.json if it exists. The categories state
    the keypoints, limbs and, as this package's extensions, "flip_pairs" and "sigmas". Different keypoints of several
    categories are concatenated.

    Raises:
        UserError: a file, a folder or a value in the file is missing or wrong.
    """
    path, passed_over = split_file(request)
    content = read_content(path)
    if not content["images"]:
        raise UserError(f"{path}: expected at least one image, got an empty split; choose another split.")
    names, ids = category_names(content["categories"], path), Ids(content["categories"], "categories", path)
    keypoints = CocoKeypoints(content["categories"], path) if request.fields else None
    found = Found(
        f"{path} ({request.split or 'all'})",
        unit="entry {} of 'annotations'",
        classes=tuple(dict.fromkeys(names[i] for i in in_order_of_ids(ids.own))),
        task_options={"skeleton": keypoints.skeleton.to_dict()} if keypoints else {},
    )
    found.notes = {_PASSED_OVER: [str(file) for file in passed_over]}
    images, positions = Ids(content["images"], "images", path), _add_images(found, content["images"], path, request)
    used: collections.Counter = collections.Counter()
    of_other_type = found.notes.setdefault(_OTHER_TYPE, [])
    for number, entry in enumerate(content["annotations"]):
        image = images.position(entry, "image_id", number, of_other_type)
        if image is None:
            found.note(_ORPHANS, f"entry {number} of {path}, of image {entry['image_id']!r}")
            continue
        category = ids.position(entry, "category_id", number, of_other_type)
        if category is None:
            raise _unknown_category(ids.own, entry, number, path)
        used[category] += 1
        fields = {"keypoints_xyv": keypoints.of(entry, category, number)} if keypoints else {}
        _add_object(found, positions[image], names[category], entry, number, path, fields)
    found.category_ids = {name: ids.own[i] for i, name in sorted(enumerate(names), key=lambda one: used[one[0]])}
    return found


def _add_images(found: Found, entries: list[dict], path: AnyPath, request: DataRequest) -> list[int]:
    """Adds the images; returns the image index of each entry, the same index for entries of the same file."""
    files = images_beside(request, path, split_of(path, request.path, PREFIXES))
    paths = find_images(files, [image_name(entry, number, path) for number, entry in enumerate(entries)], path)
    positions, indices = {}, []
    for image, entry in zip(paths, entries, strict=True):
        if image in positions:
            found.note(_TWICE, str(image))
        else:
            hw = (entry.get("height"), entry.get("width"))
            positions[image] = found.add_image(image, path, hw=hw, image_id=entry["id"])
        indices.append(positions[image])
    found.notes |= files.notes
    return indices


def _add_object(found: Found, image: int, name: str, entry: dict, number: int, path: AnyPath, fields: dict) -> None:
    box_xyxy, origin = box_of(entry, number, path)
    if origin is not None:
        found.note(origin, f"entry {number} of {path}")
    if origin != WITHOUT_BOX:
        mark = is_crowd(entry, number, path)
        found.add_object(image, name, box_xyxy, number, is_crowd=mark, area=entry.get("area"), **fields)


def _unknown_category(ids: list, entry: dict, number: int, path: AnyPath) -> UserError:
    got = f"{shown(entry['category_id'])} in entry {number} of 'annotations'"
    return UserError(f"{path}: expected a category_id of {shown(ids)}, got {got}; add the category.")
