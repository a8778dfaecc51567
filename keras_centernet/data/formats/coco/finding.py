"""Finds COCO's JSON files in a folder, and the one of a split.

Known layouts: annotations/instances_<split>.json beside folders of images (COCO, CVAT), <split>/_annotations.coco.json
beside the images (Roboflow), labels.json beside data/ (FiftyOne), result.json beside images/ (Label Studio), and any
other JSON with lists of images and annotations in the folder, in a subfolder, or in the annotations/ folder of a
subfolder.
"""

import re
from collections.abc import Iterator

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.json_heads import read_json_head
from keras_centernet.data.reading.split_files import given_file, label_files, split_of, splits_of_files
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath

PREFIXES = ("instances_", "person_keypoints_")
_USUAL = re.compile(r"(instances|person_keypoints)_.+|_annotations\.coco")
_OF_OTHER_USE = ("captions_", "image_info_", "panoptic_", "stuff_", "unlabeled_")  # COCO's own files without boxes
_LISTS = {"images", "annotations"}
_SHOWN = 5


def is_coco_data(path: AnyPath) -> bool:
    """Returns whether a path is a JSON file that could be COCO's, or a folder that holds one."""
    if path.suffix == ".json" and path.is_file():
        head = read_json_head(path)
        return not head.is_list and (not head.keys or bool(head.keys & _LISTS))  # the reader reports damaged files
    return path.is_dir() and next(_files_in(path), None) is not None


def coco_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits that have JSON files; () for a given file that is not named after a split."""
    return splits_of_files(request, _files_in, PREFIXES)


def split_file(request: DataRequest) -> tuple[AnyPath, list[AnyPath]]:
    """Returns (the JSON file of a split, ignored files of the same split that have no usual prefix).

    Files of instances take precedence over files without a prefix, and these over files of keypoints. If keypoints are
    requested, their files come first.

    Raises:
        UserError: there is no file, or several are equally good.
    """
    given = given_file(request)
    if given is not None:
        return given, []
    files = list(_files_in(request.path))
    chosen = [file for file in files if request.split in (None, split_of(file, request.path, PREFIXES))]
    if not chosen:
        expected = f"COCO's JSON for split {request.split!r}, such as annotations/instances_{request.split}.json"
        raise UserError(f"{request.path}: expected {expected}, got {_show(files) or 'none'}; pass `annotations`.")
    order = ("keypoints", "instances", "other") if request.fields else ("instances", "other", "keypoints")
    ranks = {file: order.index(_kind(file)) for file in chosen}
    best = [file for file in chosen if ranks[file] == min(ranks.values())]
    if len(best) > 1:
        expected = f"one COCO file for split {request.split or 'all'!r}"
        raise UserError(f"{request.path}: expected {expected}, got {_show(best)}; pass `annotations`.")
    return best[0], [file for file in chosen if _kind(file) == "other" and file != best[0]]


def _files_in(folder: AnyPath) -> Iterator[AnyPath]:
    files = label_files(folder, ".json", lambda path: bool(_USUAL.fullmatch(path.stem)), _is_coco_file)
    return (path for path in files if not path.name.startswith(_OF_OTHER_USE))


def _is_coco_file(path: AnyPath) -> bool:
    head = read_json_head(path)
    return not head.is_list and (head.keys >= _LISTS if head.is_whole else bool(_LISTS & head.keys))


def _kind(path: AnyPath) -> str:
    kinds = {"person_keypoints_": "keypoints", "instances_": "instances"}
    return next((kind for prefix, kind in kinds.items() if path.stem.startswith(prefix)), "other")


def _show(paths: list[AnyPath]) -> str:
    return ", ".join(sorted({str(path) for path in paths})[:_SHOWN])
