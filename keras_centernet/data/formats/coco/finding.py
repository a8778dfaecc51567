"""Where the JSON files of a data set in COCO format lie, which split each one is, and where their images are.

Known layouts: annotations/instances_<split>.json beside folders of images (COCO, CVAT), <split>/_annotations.coco.json
beside the images (Roboflow), labels.json beside data/ (FiftyOne), result.json beside images/ (Label Studio), and any
other JSON with lists of images and annotations in the folder, in one of its folders, or in annotations/ of one.
"""

import itertools
import re

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import is_usual_split, match_split, split_folders, split_names
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.json_heads import read_json_head
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path

_PATTERNS = ("*.json", "*/*.json", "*/annotations/*.json")
_USUAL = re.compile(r"(instances|person_keypoints)_.+|_annotations\.coco")
_OF_OTHER_USE = ("captions_", "image_info_", "panoptic_", "stuff_", "unlabeled_")  # COCO's own, without boxes
_LISTS = {"images", "annotations"}
_TRIED = 30  # files by unusual names that are looked into, per folder
_LABEL_FOLDERS = ("annotations", "annotation", "annots", "labels")
_IMAGE_FOLDERS = ("images", "data", "Images", "imgs", "img", "JPEGImages")
_SHOWN = 5


def is_coco_data(path: AnyPath) -> bool:
    """Whether a path is a JSON file that may be COCO's, or a folder that holds one."""
    if path.suffix == ".json" and path.is_file():
        head = read_json_head(path)
        return not head.is_list and (not head.keys or bool(head.keys & _LISTS))  # damaged ones are named by the reader
    return path.is_dir() and next(_files_in(path), None) is not None


def coco_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits that there are JSON files for; () for one file that is named after none."""
    path = _given_file(request)
    if path is not None:
        name = _split_of(path)
        return (name,) if is_usual_split(name) else ()
    return tuple(dict.fromkeys(_split_of(file, request.path) for file in _files_in(request.path)))


def split_file(request: DataRequest) -> tuple[AnyPath, list[AnyPath]]:
    """Returns (the JSON file of a split, others of the same split that are passed over).

    Instances are taken before keypoints, or keypoints first where they are asked for.

    Raises:
        UserError: there is none, or several are as good.
    """
    given = _given_file(request)
    if given is not None:
        return given, []
    files = list(_files_in(request.path))
    chosen = [file for file in files if request.split in (None, _split_of(file, request.path))]
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


def image_files(request: DataRequest, path: AnyPath) -> ImageFiles:
    """Returns where to look for the images that a JSON file names.

    A folder of the split's own, such as train2017/ or images/train/, keeps them apart from those of other splits.

    Raises:
        UserError: `images` is no folder.
    """
    if request.images is not None:
        folder = to_path(request.images)
        if not folder.is_dir():
            raise UserError(f"images: expected a folder, got {str(request.images)!r}, which is none.")
        return ImageFiles([folder], root=folder)
    beside = path.parent
    bases = [beside.parent] if beside.name.lower() in _LABEL_FOLDERS else []
    bases = list(dict.fromkeys([*bases, beside, *([request.path] if request.path.is_dir() else [])]))
    own = [folder for folder in _own_folders(bases, _split_of(path, request.path)) if _has_images(folder)]
    if own:
        return ImageFiles(own, also=bases)
    root = request.path if request.path.is_dir() else bases[0]
    return ImageFiles([*(base / name for base in bases for name in _IMAGE_FOLDERS), *bases], root=root)


def _given_file(request: DataRequest) -> AnyPath | None:
    """Returns the JSON file where a request names one."""
    if request.annotations is not None:
        return to_path(request.annotations)
    return request.path if request.path.is_file() else None


def _files_in(folder: AnyPath):
    """Yields the JSON files of a folder that are COCO's by their name or by their beginning, sorted within each one."""
    tried: dict[AnyPath, int] = {}
    for path in itertools.chain.from_iterable(sorted(folder.glob(pattern)) for pattern in _PATTERNS):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if is_hidden or path.name.startswith(_OF_OTHER_USE):
            continue
        if not _USUAL.fullmatch(path.stem):
            tried[path.parent] = tried.get(path.parent, 0) + 1
            if tried[path.parent] > _TRIED or not _is_coco_file(path):
                continue
        if path.is_file():
            yield path


def _is_coco_file(path: AnyPath) -> bool:
    head = read_json_head(path)
    return not head.is_list and (head.keys >= _LISTS if head.is_whole else bool(_LISTS & head.keys))


def _kind(path: AnyPath) -> str:
    kinds = {"person_keypoints_": "keypoints", "instances_": "instances"}
    return next((kind for prefix, kind in kinds.items() if path.stem.startswith(prefix)), "other")


def _split_of(path: AnyPath, root: AnyPath | None = None) -> str:
    """Returns the name of a file's split: in its own name, in that of its folder below `root`, else its name."""
    usual = re.fullmatch(r"(?:instances|person_keypoints)_(.+)", path.stem)
    if usual:
        return usual[1]
    words = [word for word in re.split(r"[^0-9A-Za-z]+", path.stem) if is_usual_split(word)]
    if len(words) == 1:
        return words[0]
    folder = path.parent.parent if path.parent.name.lower() in _LABEL_FOLDERS else path.parent
    return folder.name if folder != root and is_usual_split(folder.name) else path.stem


def _own_folders(bases: list[AnyPath], split: str) -> list[AnyPath]:
    """Returns folders that are named after a split, by its own name first."""
    names = dict.fromkeys((*split_names(split), *split_names(re.sub(r"[-_]?\d+$", "", split))))
    patterns = ("{}", "images/{}", "{}/images", "{}/data", "data/{}")
    folders = [base / pattern.format(name) for name in names for base in bases for pattern in patterns]
    for base in (*bases, *(base / "images" for base in bases)):
        folders += [base / name for name in split_folders(base) if match_split(split, [name])]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _has_images(folder: AnyPath) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*"))


def _show(paths: list[AnyPath]) -> str:
    return ", ".join(sorted({str(path) for path in paths})[:_SHOWN])
