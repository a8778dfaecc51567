"""The user's images and labels -> a `Source`, for `load_dataset`: arrays of all images, or a tf.data data set."""

import warnings
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_centernet.data.annotations import Annotations
from keras_centernet.data.own.box_formats import check_format, to_xyxy
from keras_centernet.data.own.first_batch import check_images, check_labels
from keras_centernet.data.own.labels import Labels, is_row, read_labels, show, to_array, unpack
from keras_centernet.data.own.measured import is_arrays
from keras_centernet.data.own.streams import numbered_classes, source_from_stream
from keras_centernet.data.source import Source, source_from_annotations
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.method.specs import FieldSpec

_WHERE = "load_dataset"


def read_own(
    data: object,
    split: str,
    classes: tuple[str, ...] | None,
    bounding_box_format: str | None,
    fields: Mapping[str, FieldSpec],
    **others,
) -> Source:
    """Returns the `Source` of the user's data in Python.

    Args:
        data: (images, labels) or {"images", "bounding_boxes"}, arrays or lists of all images, of any sizes; or a
            tf.data data set of such pairs, of single images or of batches. Labels are as described in `labels`.
        split: name of the split, for messages.
        classes: names of the class indices; None names the classes by their numbers.
        bounding_box_format: one of `BOX_FORMATS`; None: "xyxy".
        fields: the fields that the task needs besides class and box; they are keys of the labels.
        **others: options that apply to files only and must be None.

    Raises:
        UserError: the data is of another kind, or wrong.
    """
    for option, value in others.items():
        if value is not None:
            raise UserError(f"{option}: expected None with images and labels in Python, got {value!r}; remove it.")
    box_format, name = check_format(bounding_box_format), f"own data ({split})"
    classes = None if classes is None else tuple(str(one) for one in classes)
    if any(field.endswith("_xyv") for field in fields):
        what = "keypoints without a skeleton are not exchanged in a mirror image; pass flip=0 if any are left or right."
        warnings.warn(DataWarning(f"{name}: {what}"), stacklevel=4)
    if isinstance(data, tf.data.Dataset):
        return source_from_stream(data, name, classes, box_format, fields, _WHERE)
    if is_arrays(data):
        return _source_from_arrays(data, name, classes, box_format, fields)
    problem = "batches are for model.fit" if hasattr(data, "__iter__") else "files are named by their path"
    expected = "a path, a name, (images, labels), a tf.data.Dataset or a Source"
    raise UserError(f"data: expected {expected}, got {show(data)}; {problem}.")


def _source_from_arrays(
    data, name: str, classes: tuple[str, ...] | None, box_format: str, fields: Mapping[str, FieldSpec]
) -> Source:
    images, labels = unpack(data, _WHERE)
    images = images if isinstance(images, tuple | list) else to_array(images)
    check_images(images, _WHERE)
    labels = read_labels(labels, fields, _WHERE)
    check_labels(labels, images, box_format, classes, _WHERE)
    if classes is None:
        classes = numbered_classes(int(labels.classes[is_row(labels)].max(initial=0)))

    def load_image(index):
        image = to_array(images[index])
        return image if image.dtype == np.uint8 else np.clip(np.round(image), 0, 255).astype(np.uint8)

    annotations = _annotations_of(labels, [image.shape[:2] for image in images], name, box_format, fields)
    return source_from_annotations(name, classes, annotations, load_image)


def _annotations_of(
    labels: Labels, image_hw: list, name: str, box_format: str, fields: Mapping[str, FieldSpec]
) -> Annotations:
    rows = is_row(labels)
    image_index, image_hw = np.nonzero(rows)[0], np.asarray(image_hw, np.int32).reshape(-1, 2)
    sides_wh = image_hw[image_index][:, ::-1].astype(np.float64)
    boxes_xyxy = to_xyxy(labels.boxes[rows].astype(np.float64), box_format, sides_wh)
    none = np.zeros(len(boxes_xyxy), bool)
    return Annotations(
        image_names=tuple(f"{name} image {i}" for i in range(len(image_hw))),
        image_ids=np.arange(len(image_hw)),
        image_hw=image_hw,
        image_index=image_index,
        boxes_xyxy=boxes_xyxy,
        classes=labels.classes[rows],
        is_crowd=none,
        is_difficult=none,
        areas=np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1),
        fields={key: values[rows] for key, values in labels.fields.items() if not fields[key].of_image},
        image_fields={key: values for key, values in labels.fields.items() if fields[key].of_image},
    )
