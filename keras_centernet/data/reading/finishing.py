"""What a reader found -> a `Source`: checks values, chooses classes, checks image files and prints a summary."""

import dataclasses

import numpy as np

from keras_centernet.data.annotations import Annotations
from keras_centernet.data.counting import say, warn_counted
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading import values
from keras_centernet.data.reading.classes import choose_classes
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.frames import to_upright_pixels
from keras_centernet.data.reading.image_checks import keep_readable_images
from keras_centernet.data.reading.summary import Summary
from keras_centernet.data.source import Source, source_from_annotations
from keras_centernet.errors import UserError


def to_source(found: Found, request: DataRequest) -> Source:
    """Returns the source made of what a reader found, and prints in one line what it holds.

    Raises:
        UserError: a value is damaged, no image can be read, or no object is left for training or evaluation.
    """
    if not found.images:
        raise UserError(f"{found.name}: expected at least one image, got an empty split; choose another split.")
    names = [row[1] for row, is_visible in zip(found.rows, found.is_visible, strict=True) if is_visible]
    classes, indices = choose_classes(found.classes, names, request)
    annotations, own_ids = _to_arrays(found, indices)
    for what, names in found.notes.items():
        warn_counted(names, what)
    if annotations.is_hidden.all():
        raise UserError(_nothing(found))
    summary = Summary(found, annotations)
    annotations, headers = keep_readable_images(annotations, request.strict, request.max_pixels)
    annotations, contradicting = to_upright_pixels(annotations, headers, found.is_relative, request.strict)
    sides = np.prod(annotations.boxes_xyxy[:, 2:] - annotations.boxes_xyxy[:, :2], axis=1)
    areas = np.where(np.isnan(annotations.areas), sides, annotations.areas)
    annotations = dataclasses.replace(annotations, areas=areas)
    ids = found.category_ids and {name: key for name, key in found.category_ids.items() if indices.get(name, -1) >= 0}
    source = source_from_annotations(
        found.name,
        classes,
        annotations,
        task_options=found.task_options,
        category_ids=ids
        and tuple({indices[name]: key for name, key in ids.items()}.get(i) for i in range(len(classes))),
        own_image_ids=own_ids,
        max_pixels=request.max_pixels,
    )
    if source.annotations.is_hidden.all():
        raise UserError(f"{found.name}: expected objects, got only boxes without extent or outside of their images.")
    say(summary.line(source, contradicting))
    return source


def _to_arrays(found: Found, indices: dict[str, int]) -> tuple[Annotations, dict | None]:
    """Returns (annotations of the used classes with checked values, {image id: the data set's own id} or None)."""
    image_ids, own_ids = values.image_numbers(found)
    boxes_xyxy, areas = values.box_values(found), values.area_values(found)
    index = np.array([row[0] for row in found.rows], np.int64)
    order = np.argsort(index, kind="stable")
    annotations = Annotations(
        image_names=tuple(found.images),
        image_ids=image_ids,
        image_hw=values.stated_sizes(found),
        image_index=index[order],
        boxes_xyxy=boxes_xyxy[order],
        classes=np.array([indices.get(row[1], -1) for row in found.rows], np.int32)[order],
        is_crowd=np.array([bool(row[7]) for row in found.rows], bool)[order],
        is_difficult=np.array([bool(row[8]) for row in found.rows], bool)[order],
        areas=areas[order],
        fields={key: values.field_values(found, key)[order] for key in found.fields},
        image_fields={key: values.image_field_values(found, key) for key in found.image_fields},
    )
    return annotations.keep_objects(annotations.classes >= 0), own_ids


def _nothing(found: Found) -> str:
    """Returns one line that says why a split has no objects."""
    images, without = len(found.images), sum(found.unlabelled)
    if found.rows:
        what = "; ".join(f"{len(names)} {what}" for what, names in found.notes.items())
        problem = f"all of its objects are hidden{what and ': '}{what}"
    elif without == images and found.looked_for:
        problem = f"none of {images} image(s) has a label file; looked for {found.looked_for}"
    elif without:
        problem = f"{without} of {images} image(s) have no label file, the others are without objects"
    else:
        problem = f"all {images} image(s) are without objects"
    return f"{found.name}: expected objects to learn from or to measure with, but {problem}."
