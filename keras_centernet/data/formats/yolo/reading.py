"""YOLO: one .txt file per image, one line per object; a YAML file, other files or just the folders define the splits.

Known layouts: data.yaml (any name) with folders or lists of images; darknet's obj.data with obj.names; classes.txt or
Label Studio's notes.json with images/ and labels/, each with or without train/, val/, test/; train/images/ and
train/labels/; label files beside the images.
"""

from collections.abc import Iterator, Sequence

from tqdm import tqdm

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.yolo.description import Description
from keras_centernet.data.formats.yolo.finding import describe, places_of
from keras_centernet.data.formats.yolo.image_lists import ImageLists
from keras_centernet.data.formats.yolo.label_files import LabelFiles
from keras_centernet.data.formats.yolo.labels import LabelReader
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import images_in
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, map_files, to_path

_KEYPOINTS = "keypoints_xyv"
_LOOKED_AT = 100  # images whose label files are looked for in other folders


def read_yolo(request: DataRequest) -> Found:
    """Returns the content of the label files of a split.

    A line is "class cx cy w h" in fractions of the upright image, or "class x1 y1 x2 y2 x3 y3 ..." (a polygon or
    rotated box, whose extent is taken), or, if the YAML file has "kpt_shape", a box and its keypoints. The keypoints
    become the field "keypoints_xyv" if it is requested. "kpt_names" names them. Without it, 17 keypoints with the sides
    of COCO's person get COCO's names, others are "keypoint_0", ...; "flip_idx" becomes the skeleton's flip pairs. An
    image without a label file has no objects. Paths of another machine are found by their ends.

    Raises:
        UserError: a file, a folder or a value in a file is missing or wrong.
    """
    described = describe(request)
    has_keypoints = _KEYPOINTS in request.fields
    if has_keypoints and described.keypoints is None:
        expected = "'kpt_shape' in a YAML file, which says how many keypoints an object has"
        raise UserError(f"{described.path}: expected {expected}, got none; pass another data set, or another task.")
    found = Found(request.name, unit="line", classes=described.names, is_relative=True)
    if has_keypoints:
        found.task_options["skeleton"] = described.keypoints.skeleton.to_dict()
    labels = LabelFiles(described.root, to_path(request.annotations) if request.annotations else None)
    images = _images_of(described, request.split, found)
    for image, path, rows in _read(images, labels, LabelReader(described.names, described.keypoints)):
        index = found.add_image(image, path, has_labels=rows is not None)
        for number, name, box_xyxy, points in rows or ():
            found.add_object(index, name, box_xyxy, number, **({_KEYPOINTS: points} if has_keypoints else {}))
    for path in labels.without_image():
        found.note("label file(s) skipped, there is no image of that name", str(path))
    found.looked_for = _looked_for(images, labels)
    if described.names is None:
        _name_by_numbers(found, described, labels)
    return found


def _read(images: Sequence[AnyPath], labels: LabelFiles, reader: LabelReader) -> Iterator[tuple]:
    """Yields (image, its label file, rows of that file or None if it does not exist)."""
    paths = [labels.path_of(image) for image in images]
    there = [labels.is_there(path) for path in paths]
    reading = map_files(reader, [path for path, is_there in zip(paths, there, strict=True) if is_there])
    entries = tqdm(
        zip(images, paths, there, strict=True), "reading labels", len(images), delay=2, leave=False, disable=None
    )
    for image, path, is_there in entries:
        yield image, path, next(reading) if is_there else None


def _images_of(described: Description, split: str | None, found: Found) -> list[AnyPath]:
    """Returns the images in the folders and lists of a split, each once."""
    images, places = [], places_of(described, split)
    lists = ImageLists(described.folders, described.root)
    for place in places:
        images += images_in(place) if place.is_dir() else lists.read(place)
    for what, names in lists.notes.items():
        found.notes.setdefault(what, []).extend(names)
    if not images:
        where = ", ".join(map(str, places))
        raise UserError(f"{described.path}: expected images in {where}, got an empty split.")
    return list(dict.fromkeys(images))


def _looked_for(images: Sequence[AnyPath], labels: LabelFiles) -> str:
    """Returns where the first label file was looked for and, if none exists, a hint at a folder that has some."""
    paths = [labels.path_of(image) for image in images]
    similar = None if any(map(labels.is_there, paths)) else labels.similar_folder(images[:_LOOKED_AT])
    hint = f"; {similar} has label files: rename it to {paths[0].parent.name}, or pass it as `annotations`"
    return str(paths[0]) + (hint if similar else "")


def _name_by_numbers(found: Found, described: Description, labels: LabelFiles) -> None:
    """Names the classes "0" to the highest number in all splits, so that all splits have the same classes."""
    images = _images_of(described, None, Found(found.name))
    rows = _read(images, labels, LabelReader(None, described.keypoints))
    highest = max((int(row[1]) for _, _, of_image in rows for row in of_image or ()), default=0)
    found.classes = tuple(map(str, range(highest + 1)))
    for name in found.classes:
        found.note("class(es) without a name are called by their number, as there is no classes.txt", name)
