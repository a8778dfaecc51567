"""CreateML: one JSON file per split, a list of images with their boxes as centre and size in pixels.

Known layouts: <split>/_annotations.createml.json beside the images (Roboflow), and any other such JSON file in the
folder, in a subfolder, or in the annotations/ folder of a subfolder.
"""

from collections.abc import Iterator

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.json_heads import read_json_head
from keras_centernet.data.reading.split_files import (
    find_images,
    given_file,
    images_beside,
    label_files,
    split_of,
    splits_of_files,
)
from keras_centernet.errors import UserError, shown
from keras_centernet.files.json_file import read_json
from keras_centernet.files.paths import AnyPath

_IMAGE_KEYS = ("image", "imageFilename", "imagefilename", "filename")
_OBJECTS_KEYS = ("annotations", "annotation")
_SIDES = ("x", "y", "width", "height")
_TWICE = "entries that name a file which another entry names, too; their objects are put together"


def read_createml(request: DataRequest) -> Found:
    """Returns one split of a data set in CreateML's format.

    Raises:
        UserError: a file, a folder or a value in the file is missing or wrong.
    """
    path = _split_file(request)
    entries = _read_entries(path)
    names = [_image_name(entry, number, path) for number, entry in enumerate(entries)]
    files = images_beside(request, path, split_of(path, request.path))
    found = Found(f"{path} ({request.split or 'all'})", unit="annotation")
    positions: dict[AnyPath, int] = {}
    paths = find_images(files, names, path)
    for number, (image, entry) in enumerate(zip(paths, entries, strict=True)):
        if image in positions:
            found.note(_TWICE, str(image))
        else:
            positions[image] = found.add_image(image, path)
        for i, (label, box_xyxy) in enumerate(_objects(entry, number, path)):
            found.add_object(positions[image], label, box_xyxy, f"{i} of entry {number}")
    found.notes |= files.notes
    return found


def createml_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits that have JSON files; () for a given file that is not named after a split."""
    return splits_of_files(request, _files_in)


def is_createml_data(path: AnyPath) -> bool:
    """Returns whether a path is a JSON file in CreateML's format, or a folder that holds one."""
    if path.suffix == ".json" and path.is_file():
        return _is_createml_file(path)
    return path.is_dir() and next(_files_in(path), None) is not None


def _split_file(request: DataRequest) -> AnyPath:
    given = given_file(request)
    if given is not None:
        return given
    chosen = [file for file in _files_in(request.path) if request.split in (None, split_of(file, request.path))]
    if len(chosen) != 1:
        expected = f"one JSON file in CreateML's format for split {request.split or 'all'!r}"
        got = ", ".join(map(str, chosen[:5])) or "none"
        raise UserError(f"{request.path}: expected {expected}, got {got}; pass `annotations`.")
    return chosen[0]


def _files_in(folder: AnyPath) -> Iterator[AnyPath]:
    return label_files(folder, ".json", lambda path: path.stem == "_annotations.createml", _is_createml_file)


def _is_createml_file(path: AnyPath) -> bool:
    head = read_json_head(path)
    return head.is_list and not head.keys.isdisjoint(_IMAGE_KEYS) and not head.keys.isdisjoint(_OBJECTS_KEYS)


def _read_entries(path: AnyPath) -> list[dict]:
    entries = read_json(path)
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: expected a list of images with 'annotations' as in CreateML, got {shown(entries)}.")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise UserError(f"{path}, entry {number}: expected an image with 'annotations', got {shown(entry)}.")
    return entries


def _image_name(entry: dict, number: int, path: AnyPath) -> str:
    name = next((entry[key] for key in _IMAGE_KEYS if key in entry), None)
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise UserError(f"{path}, entry {number}: expected the name of a file as 'image', got {shown(name)}.")
    return name


def _objects(entry: dict, number: int, path: AnyPath) -> Iterator[tuple]:
    """Yields (label, (x1, y1, x2, y2)) of an image's objects."""
    annotations = next((entry[key] for key in _OBJECTS_KEYS if key in entry), None)
    if not isinstance(annotations, list | None):
        raise UserError(f"{path}, entry {number}: expected a list of annotations, got {shown(annotations)}.")
    for i, annotation in enumerate(annotations or ()):
        try:
            x, y, width, height = (float(annotation["coordinates"][side]) for side in _SIDES)
            label = annotation["label"]
        except (KeyError, TypeError, ValueError, OverflowError):
            expected = "a label and coordinates x, y, width, height in numbers"
            where = f"{path}, annotation {i} of entry {number}"
            raise UserError(f"{where}: expected {expected}, got {shown(annotation)}; correct it.") from None
        yield label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
