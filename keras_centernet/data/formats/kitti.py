"""KITTI's native folders: image_2/*.png, label_2/*.txt, calib/*.txt, and lists of frames by split."""

import numpy as np
from tqdm import tqdm

from keras_centernet.camera import read_calibration
from keras_centernet.data.formats.kitti_labels import TYPES, KittiObjects, read_kitti_file
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, are_files, map_files, to_path
from keras_centernet.tasks.classes import KITTI_CLASSES

# As published: what looks like a class but is none hides in its heatmap; None hides in all of them.
HIDES_IN = {"Van": "Car", "Truck": "Car", "Person_sitting": "Pedestrian", "DontCare": None}
COLUMNS = ("locations_xyz", "dimensions_hwl", "alphas", "rotations_y", "truncations", "occlusions", "kitti_types")
SPLIT_FOLDERS = ("ImageSets", "../ImageSets")
WHOLE = ("train", "trainval", "training", "all")  # names of the whole data set where no lists of frames exist


def read_kitti(request: DataRequest) -> Found:
    """Returns one split of a folder in KITTI's format, with 3D boxes and calibrations.

    Objects of other types that look like a class (Van, Truck, Person_sitting) and DontCare regions (in
    every class) are kept as crowds: neither trained nor counted. Tram and Misc are left out, as published.

    `data` holds training/, or image_2/ and label_2/. A split is a list ImageSets/<split>.txt; without such lists
    "train", "trainval" or "all" is every frame. All fields are read, whichever are asked for.

    Raises:
        UserError: a folder, a file or a line is not what it should be.
    """
    root = _root(request.path)
    label_folder = to_path(request.annotations) if request.annotations else root / "label_2"
    image_folder = to_path(request.images) if request.images else root / "image_2"
    classes = KITTI_CLASSES if request.classes is None else tuple(request.classes)
    names = _frames(root, request.split, image_folder)
    labels = [label_folder / f"{name}.txt" for name in names]
    there = [i for i, is_there in enumerate(are_files(labels)) if is_there]
    names = [names[i] for i in there]
    reading = map_files(read_kitti_file, [labels[i] for i in there])
    frames = list(tqdm(reading, "reading labels", len(names), delay=2, leave=False, disable=None))
    calibrations = list(map_files(read_calibration, [root / "calib" / f"{name}.txt" for name in names]))
    found = Found(request.name, unit="line", classes=KITTI_CLASSES, looked_for=str(labels[0]))
    images = _image_paths(image_folder, names)
    for i, (frame, name) in enumerate(zip(frames, names, strict=True)):
        number = int(name) if name.isdigit() else None
        index = found.add_image(images[i], labels[there[i]], image_id=number, calibration=calibrations[i])
        for line, (name, is_crowd, box_xyxy), columns in _rows(frame, classes):
            found.add_object(index, name, box_xyxy, line, is_crowd=is_crowd, **columns)
    return found


def is_kitti_folder(folder: AnyPath) -> bool:
    """Whether a folder looks like KITTI's."""
    return any((base / "label_2").is_dir() for base in (folder, folder / "training"))


def _rows(frame: KittiObjects, classes: tuple[str, ...]) -> list[tuple]:
    """Returns (line, (class name, is crowd, box), {column: value}) of what is trained or hidden."""
    rows = []
    for i, kind in enumerate(frame.types):
        # What is behind the camera or has no extent is hidden, not trained.
        is_possible = frame.locations_xyz[i, 2] > 0 and bool(np.all(frame.dimensions_hwl[i] > 0))
        is_crowd = kind not in classes or not is_possible
        name = HIDES_IN.get(kind, kind)
        names = classes if name is None else [name] * (name in classes)
        columns = {key: getattr(frame, key)[i] for key in COLUMNS[:-1]} | {"kitti_types": TYPES.index(kind)}
        rows += [(i + 1, (name, is_crowd, tuple(frame.boxes_xyxy[i])), columns) for name in names]
    return rows


def _root(folder: AnyPath) -> AnyPath:
    for base in (folder / "training", folder):
        if (base / "image_2").is_dir() or (base / "label_2").is_dir():
            return base
    raise UserError(f"{folder}: expected training/ or image_2/ and label_2/ in it, got neither.")


def _frames(root: AnyPath, split: str, image_folder: AnyPath) -> list[str]:
    """Returns the names of the split's frames, without suffix."""
    lists = {path.stem: path for folder in SPLIT_FOLDERS for path in sorted((root / folder).glob("*.txt"))}
    if split in lists:
        names = lists[split].read_text().split()
    elif lists or split not in WHOLE:
        known = ", ".join(lists) or ", ".join(WHOLE)
        raise UserError(f"{root}: expected a split of {known}, got {split!r}; a list ImageSets/{split}.txt makes one.")
    else:
        names = sorted(path.stem for path in image_folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not names:
        raise UserError(f"{root}: expected frames in split {split!r}, got an empty split; choose another.")
    return names


def _image_paths(folder: AnyPath, names: list[str]) -> list[str]:
    """Returns the PNG file of each frame, the JPEG file where there is only that."""
    png, jpeg = ([folder / f"{name}{suffix}" for name in names] for suffix in (".png", ".jpg"))
    missing = [i for i, is_png in enumerate(are_files(png)) if not is_png]
    are_jpeg = dict(zip(missing, are_files([jpeg[i] for i in missing]), strict=True))
    return [str(jpeg[i] if are_jpeg.get(i) else png[i]) for i in range(len(names))]


def kitti_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the lists of frames."""
    root = _root(request.path)
    return tuple(dict.fromkeys(p.stem for folder in SPLIT_FOLDERS for p in sorted((root / folder).glob("*.txt"))))
