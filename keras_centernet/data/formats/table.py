"""The table of formats, and how the format of a data set is detected. To add a format, add a file and a row here."""

import dataclasses
import importlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence

from keras_centernet.data.formats.kitti.fields import KITTI_FIELDS
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, is_remote, list_names, to_path
from keras_centernet.method.specs import FieldSpec
from keras_centernet.packages import install_line


def _later(module: str, function: str) -> Callable:
    """Returns a function that is imported when it is called, so that `--help` reads this table without TensorFlow."""

    def call(*arguments):
        return getattr(importlib.import_module(f"keras_centernet.data.{module}"), function)(*arguments)

    return call


@dataclasses.dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Attributes:
        read: function from a `DataRequest` to `Found`, or to `Source` if there is no `splits` or `makes_parts` is set.
        recognizes: function that returns whether a path (or, if `is_name`, a name) looks like this format.
        looks_for: what `recognizes` looks for, in words, for docs/data.md and errors.
        splits: function from a `DataRequest` to the names of the data set's own splits, none if it has no splits. The
            reader then gets one of them, or None if there are none. None instead of a function: the reader handles
            splits itself.
        makes_parts: whether the reader makes parts of splits itself, as a reader of streams must.
        fields: names of the fields (what tasks need besides class and box) that the format can hold; None: it depends
            on the files.
        own_fields: {name: spec} of further fields that the format can hold and no task needs; records keep them.
        annotations: what the option `annotations` names in this format, for errors; empty: the option is not allowed.
        annotations_suffix: suffix of files that, given as `annotations`, identify this format.
        takes_images: whether a folder of images can be given.
        is_name: whether `data` is a name instead of a path; an existing path is never taken for a name.
    """

    read: Callable
    recognizes: Callable[[AnyPath], bool]
    looks_for: str
    splits: Callable[[DataRequest], Sequence[str]] | None = None
    makes_parts: bool = False
    fields: tuple[str, ...] | None = ()
    own_fields: Mapping[str, FieldSpec] = dataclasses.field(default_factory=dict)
    annotations: str = ""
    annotations_suffix: str = ""
    takes_images: bool = False
    is_name: bool = False

    def can_know(self, fields: Collection[str]) -> bool:
        """Returns whether the format can hold all these fields."""
        return self.fields is None or set(fields) <= {*self.fields, *self.own_fields}


# Detection tries the rows from the first to the last.
FORMATS = {
    "tfrecord": Format(
        _later("records.reading", "read_tfrecord"),
        _later("records.finding", "is_record_data"),
        "*.tfrecord, *.tfrec or *.record files, all in one folder or in train/, valid/, test/",
        splits=_later("records.finding", "record_splits"),
        makes_parts=True,
        fields=None,
        annotations="a label map (.pbtxt)",
        annotations_suffix=".pbtxt",
    ),
    "kitti": Format(
        _later("formats.kitti.reading", "read_kitti"),
        _later("formats.kitti.finding", "is_kitti_folder"),
        "label_2/ or labels/ with KITTI's text files",
        splits=_later("formats.kitti.finding", "kitti_splits"),
        fields=("locations_xyz", "dimensions_hwl", "alphas", "is_hidden"),
        own_fields=KITTI_FIELDS,
        annotations="the folder of label files",
        takes_images=True,
    ),
    "voc": Format(
        _later("formats.voc.reading", "read_voc"),
        _later("formats.voc.finding", "is_voc_folder"),
        "XML files of Pascal VOC, such as Annotations/ or annots/",
        splits=_later("formats.voc.finding", "voc_splits"),
        annotations="the folder of XML files",
        takes_images=True,
    ),
    "cvat": Format(
        _later("formats.cvat.reading", "read_cvat"),
        _later("formats.cvat.reading", "is_cvat_data"),
        "annotations.xml of CVAT",
        splits=_later("formats.cvat.reading", "cvat_splits"),
        annotations="the XML file",
        annotations_suffix=".xml",
        takes_images=True,
    ),
    "coco": Format(
        _later("formats.coco.reading", "read_coco"),
        _later("formats.coco.finding", "is_coco_data"),
        "COCO's JSON, such as annotations/instances_*.json or _annotations.coco.json",
        splits=_later("formats.coco.finding", "coco_splits"),
        fields=("keypoints_xyv",),
        annotations="the JSON file",
        annotations_suffix=".json",
        takes_images=True,
    ),
    "createml": Format(
        _later("formats.createml", "read_createml"),
        _later("formats.createml", "is_createml_data"),
        "CreateML's JSON, such as _annotations.createml.json",
        splits=_later("formats.createml", "createml_splits"),
        annotations="the JSON file",
        annotations_suffix=".json",
        takes_images=True,
    ),
    "labelme": Format(
        _later("formats.labelme.reading", "read_labelme"),
        _later("formats.labelme.reading", "is_labelme_data"),
        "LabelMe's JSON files, one per image",
        splits=_later("formats.labelme.reading", "labelme_splits"),
        fields=("keypoints_xyv",),
        annotations="the folder of JSON files",
        takes_images=True,
    ),
    "yolo": Format(
        _later("formats.yolo.reading", "read_yolo"),
        _later("formats.yolo.finding", "is_yolo_data"),
        "data.yaml, obj.data, or .txt files of YOLO beside images/ in labels/",
        splits=_later("formats.yolo.finding", "yolo_splits"),
        fields=("keypoints_xyv",),
        annotations="the folder of label files",
        takes_images=True,
    ),
    "csv": Format(
        _later("formats.csv.reading", "read_csv"),
        _later("formats.csv.finding", "is_csv_data"),
        "*.csv with the columns filename, class, xmin, ymin, xmax, ymax",
        splits=_later("formats.csv.finding", "csv_splits"),
        annotations="the CSV file",
        annotations_suffix=".csv",
        takes_images=True,
    ),
    "shapes": Format(
        _later("formats.shapes", "read_shapes"),
        _later("formats.shapes", "is_shapes_name"),
        "the name shapes (images drawn on the fly)",
        is_name=True,
    ),
    "tfds": Format(
        _later("formats.tfds", "read_tfds"),
        _later("formats.tfds", "is_tfds_name"),
        f"a TensorFlow Datasets name such as coco/2017 (needs {install_line('tensorflow_datasets')})",
        fields=("locations_xyz", "dimensions_hwl", "alphas"),
        is_name=True,
    ),
}


def find_format(data: str | os.PathLike, annotations: str | os.PathLike | None = None) -> str:
    """Returns the key of the format that a folder, file, pattern or name looks like.

    If `annotations` is a file whose suffix belongs to a format, or a folder that looks like one, it decides before
    `data`.

    Raises:
        UserError: the data looks like no format; the message lists them.
    """
    if annotations is not None and (name := _format_of_annotations(to_path(annotations))):
        return name
    path = to_path(data)
    exists = not is_pattern(data) and path.exists()
    for name, row in FORMATS.items():
        if not (row.is_name and exists) and row.recognizes(str(data) if row.is_name else path):
            return name
    if exists:  # what each format looks for would be too long for a terminal
        known = ", ".join(name for name, row in FORMATS.items() if not row.is_name)
        problem = f"which holds none{_images_in(path)}"
        raise UserError(f"data: expected labels of {known}; got {str(data)!r}, {problem}. See docs/data.md.")
    names = ", ".join(row.looks_for for row in FORMATS.values() if row.is_name)
    expected = f"expected a folder or file of annotated images, {names}"
    raise UserError(f"data: {expected}, got {str(data)!r}, which does not exist. Correct it.")


def _images_in(path: AnyPath) -> str:
    """Returns in words how many images lie directly in a folder; "" if none."""
    from keras_centernet.data.images import IMAGE_SUFFIXES  # not above: it imports TensorFlow

    count = sum(name.lower().endswith(IMAGE_SUFFIXES) for name in list_names(path)) if path.is_dir() else 0
    return f", only {count} image(s)" if count else ""


def _format_of_annotations(path: AnyPath) -> str | None:
    """Returns the key of the format that a file or folder of annotations alone looks like, or None."""
    named = [name for name, row in FORMATS.items() if path.suffix and path.suffix == row.annotations_suffix]
    able = [name for name, row in FORMATS.items() if row.annotations and not row.is_name and path.is_dir()]
    alike = (name for name in named or able if FORMATS[name].recognizes(path))
    return next(alike, named[0] if named else None)


def is_pattern(data: str | os.PathLike) -> bool:
    """Returns whether `data` is a pattern of paths, not an existing local path that contains one of the signs."""
    has_sign = any(sign in os.fspath(data) for sign in "*?[")
    return has_sign and (is_remote(data) or not to_path(data).exists())
