"""KITTI: one text file of objects per image, in the folders of the benchmark or of tools that write its format."""

import itertools
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from keras_centernet.camera import read_calibration
from keras_centernet.data.formats.kitti.finding import find_split, label_folders
from keras_centernet.data.formats.kitti.kinds import Kinds, find_kinds
from keras_centernet.data.formats.kitti.labels import TYPES, KittiObjects, read_kitti_file, types_in
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import ImageFiles, files_below
from keras_centernet.files.paths import AnyPath, map_files, to_path

IMAGE_FOLDERS = ("image_2", "images", "data")
COLUMNS = ("locations_xyz", "dimensions_hwl", "alphas", "rotations_y", "truncations", "occlusions")
_DIGITS = 18  # most digits of a frame's number, which must fit into 64 bits

_NO_LABELS = "image(s) left out, they have no label file"
_NO_BOX_3D = "object(s) hidden, no 3D box in front of the camera, which this task needs"
_OTHER_CASE = "object(s) whose type is written in another case than KITTI's, read as KITTI's"
_LEFT_OUT = "object(s) left out, as published, their types are not classes (name them in `classes` or `class_map`)"


def read_kitti(request: DataRequest) -> Found:
    """Returns the content of the label files of a split.

    KITTI's types: Pedestrian, Car and Cyclist are classes. Van, Truck and Person_sitting are regions that hide objects
    of one class, and DontCare is a region that hides objects of every class. Regions have one row per class, marked
    "is_hidden". Tram and Misc are left out. `classes` or `class_map` can make any of these types except DontCare a
    class. Types in another case, such as "car", are read as KITTI's, with a warning, unless `classes` or `class_map`
    name them.

    Own types: if any type of the data set is not one of KITTI's, all types except DontCare are classes, as written and
    sorted.

    Tasks without a third dimension (`request.fields` is empty) need neither calibrations nor 3D boxes. For other tasks,
    objects without a 3D box are hidden.

    Raises:
        UserError: a folder, a file or a line is missing or wrong.
    """
    split = find_split(request)
    reading = map_files(read_kitti_file, split.label_files)
    count = len(split.label_files)
    frames = list(tqdm(reading, "reading labels", count, delay=2, leave=False, disable=None))
    kinds = find_kinds(_all_types(split.label_files, frames, request), request)
    found = Found(request.name, unit="object", classes=kinds.classes, looked_for=split.looked_for)
    folders = (
        [to_path(request.images)] if request.images else [split.base / name / split.inside for name in IMAGE_FOLDERS]
    )
    images = ImageFiles(folders, split.base)
    calibrations = _calibrations(split.base / "calib" / split.inside, split.names, request)
    for name, path, frame, of_image in zip(split.names, split.label_files, frames, calibrations, strict=True):
        image = images.find_stem(name) or images.find(f"{name}.png")
        number = int(path.stem) if path.stem.isdecimal() and len(path.stem) <= _DIGITS else None
        index = found.add_image(image, path, image_id=number, **of_image)
        _add_objects(found, index, frame, kinds, with_3d=bool(request.fields))
    for name in split.without_labels or (() if split.is_listed else map(str, images.others())):
        found.note(_NO_LABELS, name)
    for what, names in images.notes.items():
        found.notes.setdefault(what, []).extend(names)
    return found


def _all_types(paths: list[AnyPath], frames: list[KittiObjects], request: DataRequest) -> set[str]:
    """Returns the types in all label files of the data set, so that all splits have the same classes."""
    known = set(paths)
    others = [path for folder in label_folders(request) for path in files_below(folder, (".txt",)) if path not in known]
    return set().union(*(frame.types for frame in frames), *map_files(types_in, others))


def _calibrations(folder: AnyPath, names: list[str], request: DataRequest) -> Iterator[dict]:
    """Yields {"calibration": (3, 4)} for each frame, or empty dicts for tasks that need no calibration."""
    if not request.fields:
        return itertools.repeat({}, len(names))
    matrices = map_files(read_calibration, [folder / f"{name}.txt" for name in names])
    return ({"calibration": np.float32(matrix)} for matrix in matrices)


def _add_objects(found: Found, image: int, frame: KittiObjects, kinds: Kinds, with_3d: bool) -> None:
    """Adds the objects of a frame and the regions that hide objects."""
    has_box_3d = (frame.locations_xyz[:, 2] > 0) & np.all(frame.dimensions_hwl > 0, axis=1)
    for i, kind in enumerate(frame.types):
        name, where = kinds.names[kind], f"{found.label_files[image]}, object {i + 1}"
        if name.casefold() == kind.casefold() and name != kind:
            found.note(_OTHER_CASE, f"{where} ({kind})")
        hides_in = kinds.hides_in.get(name)
        if hides_in == ():
            found.note(_LEFT_OUT, f"{where} ({kind})")
        lacks_box_3d = with_3d and hides_in is None and not has_box_3d[i]
        if lacks_box_3d:
            found.note(_NO_BOX_3D, where)
        fields = {"is_hidden": hides_in is not None or lacks_box_3d}
        if with_3d:
            fields |= {key: getattr(frame, key)[i] for key in COLUMNS}
            fields |= {"kitti_types": TYPES.index(name)} if kinds.are_published else {}
        for class_name in (name,) if hides_in is None else hides_in:
            found.add_object(image, class_name, tuple(frame.boxes_xyxy[i]), i + 1, **fields)
