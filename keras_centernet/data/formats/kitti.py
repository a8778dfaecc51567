"""KITTI's native folders: image_2/*.png, label_2/*.txt, calib/*.txt, and lists of frames by split."""

import numpy as np
from tqdm import tqdm

from keras_centernet.camera import read_calibration
from keras_centernet.data.annotations import build_annotations, drop_unreadable_images, find_labels
from keras_centernet.data.counting import warn_counted
from keras_centernet.data.fields import known_fields
from keras_centernet.data.formats.kitti_labels import TYPES, KittiObjects, read_kitti_file
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import check_classes
from keras_centernet.data.source import Source, source_from_annotations
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, are_files, map_files, to_path
from keras_centernet.tasks.classes import KITTI_CLASSES

# As published: what looks like a class but is none hides in its heatmap; None hides in all of them.
HIDES_IN = {"Van": "Car", "Truck": "Car", "Person_sitting": "Pedestrian", "DontCare": None}
MEASURED = ("locations_xyz", "dimensions_hwl", "alphas", "rotations_y", "truncations", "occlusions")
COLUMNS = (*MEASURED, "kitti_types", "is_hidden")
SPLIT_FOLDERS = ("ImageSets", "../ImageSets")
WHOLE = ("train", "trainval", "training", "all")  # names of the whole data set where no lists of frames exist


def read_kitti(request: DataRequest) -> Source:
    """Returns one split of a folder in KITTI's format, with 3D boxes and calibrations.

    Objects of other types that look like a class (Van, Truck, Person_sitting) and DontCare regions (in
    every class) are hidden: neither trained nor counted. Tram and Misc are left out, as published. So are, for tasks
    in 3D, objects that have no 3D box in front of the camera, which is said with their number.

    `data` holds training/, or image_2/ and label_2/. A split is a list ImageSets/<split>.txt; without such lists
    "train", "trainval" or "all" is every frame. All fields are read, whichever are asked for.

    Raises:
        UserError: a folder, a file or a line is not what it should be.
    """
    root = _root(request.path)
    label_folder = to_path(request.annotations) if request.annotations else root / "label_2"
    image_folder = to_path(request.images) if request.images else root / "image_2"
    classes = KITTI_CLASSES if request.classes is None else tuple(request.classes)
    check_classes(classes, KITTI_CLASSES, str(request.data))
    names = _frames(root, request.split, image_folder)
    labels = [label_folder / f"{name}.txt" for name in names]
    there = find_labels(labels, "label", request)
    names = [names[i] for i in there]
    labels = [labels[i] for i in there]
    reading = map_files(read_kitti_file, labels)
    frames = list(tqdm(reading, "reading labels", len(names), delay=2, leave=False, disable=None))
    calibrations = list(map_files(read_calibration, [root / "calib" / f"{name}.txt" for name in names]))
    in_3d = bool(request.fields)
    if in_3d:
        _warn_of_flat_objects(frames, labels, classes)
    rows = [(i, *row) for i, frame in enumerate(frames) for row in _rows(frame, classes, in_3d)]
    known = known_fields()
    columns = {
        key: np.array([row[2][key] for row in rows], known[key].dtype).reshape(len(rows), *known[key].shape)
        for key in COLUMNS
    }
    table = build_annotations(
        _image_paths(image_folder, names),
        [(i, *box_xyxy, classes.index(name), False, False, None) for i, (name, box_xyxy), _ in rows],
        image_ids=[int(name) if name.isdigit() else i for i, name in enumerate(names)],
        fields=columns,
        image_fields={"calibration": np.array(calibrations, np.float32)},
    )
    return source_from_annotations(request.name, classes, drop_unreadable_images(table, request.strict))


def is_kitti_folder(folder: AnyPath) -> bool:
    """Whether a folder looks like KITTI's."""
    return any((base / "label_2").is_dir() for base in (folder, folder / "training"))


def _rows(frame: KittiObjects, classes: tuple[str, ...], in_3d: bool) -> list[tuple]:
    """Returns ((class name, box), {column: value}) of what is trained or hidden."""
    rows, has_box = [], _has_3d_box(frame)
    for i, kind in enumerate(frame.types):
        name = HIDES_IN.get(kind, kind)
        names = classes if name is None else [name] * (name in classes)
        columns = {key: getattr(frame, key)[i] for key in MEASURED}
        columns["kitti_types"] = TYPES.index(kind)
        columns["is_hidden"] = kind not in classes or (in_3d and not has_box[i])
        rows += [((name, tuple(frame.boxes_xyxy[i])), columns) for name in names]
    return rows


def _has_3d_box(frame: KittiObjects) -> np.ndarray:
    """(N,) bool: whether each object has an extent and is in front of the camera."""
    return (frame.locations_xyz[:, 2] > 0) & np.all(frame.dimensions_hwl > 0, axis=1)


def _warn_of_flat_objects(frames: list[KittiObjects], labels: list[AnyPath], classes: tuple[str, ...]) -> None:
    total, flat = 0, []
    for frame, path in zip(frames, labels, strict=True):
        has_box = [has_box for has_box, kind in zip(_has_3d_box(frame), frame.types, strict=True) if kind in classes]
        total += len(has_box)
        flat += [str(path)] * (len(has_box) - sum(has_box))
    warn_counted(flat, f"of {total} objects hidden, no 3D box in front of the camera, which this task needs")


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
