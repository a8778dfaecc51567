"""The table of formats, and how the format of a data set is found out when nobody says it."""

import importlib.util
import os

from keras_centernet.data.formats.coco import find_coco_file, read_coco
from keras_centernet.data.formats.kitti import is_kitti_folder, read_kitti
from keras_centernet.data.formats.shapes import read_shapes
from keras_centernet.data.formats.tfds import is_tfds_name, read_tfds
from keras_centernet.data.formats.voc import read_voc
from keras_centernet.data.formats.yolo import find_yolo_file, read_yolo
from keras_centernet.data.records.finding import is_record_data
from keras_centernet.data.records.reading import read_tfrecord
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path

FORMATS = {
    "voc": read_voc,
    "coco": read_coco,
    "yolo": read_yolo,
    "kitti": read_kitti,
    "tfds": read_tfds,
    "tfrecord": read_tfrecord,
    "shapes": read_shapes,
}
FOLDER_FORMATS = ("voc", "coco", "yolo", "kitti")


# What formats can say of an object beyond its box; the others say nothing more.
FIELDS = {
    "coco": ("keypoints_xyv",),
    "kitti": ("locations_xyz", "dimensions_hwl", "alphas"),
    "tfds": ("locations_xyz", "dimensions_hwl", "alphas"),
    "tfrecord": ("keypoints_xyv", "locations_xyz", "dimensions_hwl", "alphas"),
}


def read_source(
    data: str | os.PathLike, split: str, format: str | None = None, fields: tuple[str, ...] = (), **options
) -> Source:
    """Returns one split of a data set of any format.

    Args:
        data: folder, file or name.
        split: name of the split.
        format: a key of `FORMATS`, or None to find it out.
        fields: what the objects must know besides class and box.
        options: annotations, images, classes, strict; see the readers.

    Raises:
        UserError: the format is unknown or cannot be found out, or what the reader raises.
    """
    if format is None:
        format = find_format(data, annotations=options.get("annotations"))
    if format not in FORMATS:
        raise UserError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}.")
    if not set(fields) <= set(FIELDS.get(format, ())):
        able = ", ".join(name for name, known in FIELDS.items() if set(fields) <= set(known))
        raise UserError(
            f"format {format} has no {', '.join(fields)}, which this task needs: expected one of {able}. Pass another "
            "data set, or another task."
        )
    options |= {"fields": fields} if fields else {}
    if format in FOLDER_FORMATS and not to_path(data).exists():
        raise UserError(f"data: expected a folder or file in {format} format, got {str(data)!r}, which does not exist.")
    return FORMATS[format](data, split, **options)


def find_format(data: str | os.PathLike, annotations: str | os.PathLike | None = None) -> str:
    """Returns the key of `FORMATS` that a folder, file or name looks like.

    Args:
        data: folder, file or name.
        annotations: a COCO JSON file makes it COCO, a label map (.pbtxt) records.

    Raises:
        UserError: it looks like none; the line lists what was looked for.
    """
    path = to_path(data)
    if annotations is not None and to_path(annotations).suffix == ".json":
        return "coco"
    if is_record_data(str(data)) or (annotations is not None and to_path(annotations).suffix == ".pbtxt"):
        return "tfrecord"
    if path.is_dir():
        if is_kitti_folder(path):
            return "kitti"
        if (path / "ImageSets" / "Main").is_dir() or (path / "Annotations").is_dir():
            return "voc"
        if find_coco_file(path) is not None:
            return "coco"
        if find_yolo_file(path) is not None:
            return "yolo"
        raise UserError(
            f"data: expected {path} to hold ImageSets/Main/ and Annotations/ (voc), annotations/instances_*.json "
            "(coco), data.yaml (yolo), image_2/ and label_2/ (kitti) or *.tfrecord (tfrecord), got none of them; pass "
            "`format`, or `annotations` and `images`."
        )
    if path.is_file() and path.suffix in (".json", ".yaml", ".yml"):
        return "coco" if path.suffix == ".json" else "yolo"
    if str(data) == "shapes":
        return "shapes"
    if is_tfds_name(str(data)):
        return "tfds"
    hint = (
        "" if importlib.util.find_spec("tensorflow_datasets") else ' (which needs pip install "keras_centernet[tfds]")'
    )
    raise UserError(
        f"data: expected a folder, a .json or .yaml file, 'shapes' or a TensorFlow Datasets name{hint}, got "
        f"{str(data)!r}, which does not exist."
    )
