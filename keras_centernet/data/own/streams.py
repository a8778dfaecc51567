"""A tf.data data set of the user's images and labels -> a `Source`."""

import dataclasses
import warnings
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_centernet.data.annotations import meets
from keras_centernet.data.counting import WarningCounter
from keras_centernet.data.own.converter import Converter, Expected
from keras_centernet.data.own.first_batch import check_images, check_labels
from keras_centernet.data.own.labels import IMAGES, Labels, keys_of, read_labels, to_array, to_dense, unpack
from keras_centernet.data.passes import in_order
from keras_centernet.data.source import Source
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.method.specs import FieldSpec

_LOOKED_AT = 16  # images
# Decoded images: about 250 MB for photos like COCO's. A user who has encoded images or file names should shuffle those.
_SHUFFLE_BUFFER = 256


def numbered_classes(last: int) -> tuple[str, ...]:
    """Returns the names "0", "1", ... for classes without names, up to the last index, and warns."""
    what = f"classes: none are given, so they are named 0 to {last}, the largest label; pass their names."
    warnings.warn(DataWarning(f"load_dataset: {what}"), stacklevel=5)
    return tuple(str(i) for i in range(last + 1))


def source_from_stream(
    dataset: tf.data.Dataset,
    name: str,
    classes: tuple[str, ...] | None,
    box_format: str,
    fields: Mapping[str, FieldSpec],
    where: str,
) -> Source:
    """Returns the `Source` of a tf.data data set; arguments as in `sources.read_own`.

    If its length or the classes are unknown, all of it is read once. Each epoch shuffles it in a buffer of 256 images.
    The order depends only on the seed if the data set itself always has the same order.
    """
    dataset = _single_images(dataset, where)
    sample = _look_at_first(dataset, box_format, classes, fields, where)
    size = int(dataset.cardinality())
    if size < 0 or classes is None:
        size, last = _count(dataset, fields, where)
        classes = classes or numbered_classes(last)
    shapes = {key: values.shape[1 if fields[key].of_image else 2 :] for key, values in sample.fields.items()}
    fields = {key: dataclasses.replace(spec, shape=shapes[key]) for key, spec in fields.items()}
    reader = _Reader(Expected(name, classes, box_format, fields))

    def examples(passes=None, limit=None, workers=None):
        passes = passes or in_order(size if limit is None else min(limit, size))
        return passes.examples(lambda seed: _entries(dataset, seed, limit), reader.to_example, workers)

    return Source(name=name, classes=classes, size=size, examples=examples, fields=fields)


def _single_images(dataset: tf.data.Dataset, where: str) -> tf.data.Dataset:
    """Returns the data set as one of single images; batches are split."""
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UserError(f"{where}: expected a data set that ends, got an endless one. Remove repeat().")
    rank = unpack(dataset.element_spec, where)[0].shape.rank
    if rank not in (3, 4):
        got = "an unknown number of axes" if rank is None else f"{rank} axes"
        raise UserError(f"{where}: {IMAGES}: expected (H, W, 3), or batches of them, got {got}; use tf.ensure_shape.")
    return dataset.unbatch() if rank == 4 else dataset


def _look_at_first(
    dataset: tf.data.Dataset,
    box_format: str,
    classes: tuple[str, ...] | None,
    fields: Mapping[str, FieldSpec],
    where: str,
) -> Labels:
    """Returns the labels of the first images after checking both."""
    first = [unpack(element, where) for element in dataset.take(_LOOKED_AT)]
    images = [to_array(image) for image, _ in first]
    check_images(images, where)
    _, labels = unpack((images, [labels for _, labels in first]), where)
    labels = read_labels(labels, fields, where)
    check_labels(labels, images, box_format, classes, where)
    return labels


def _count(dataset: tf.data.Dataset, fields: Mapping[str, FieldSpec], where: str) -> tuple[int, int]:
    """Returns (number of images, largest class index) by reading the whole data set."""

    def add(state, element):
        labels = unpack(element, where)[1]
        classes = tf.reshape(to_dense(labels[keys_of(labels, fields, where)[1]]), [-1])
        largest = tf.reduce_max(tf.concat([tf.cast(classes, tf.int32), [state[1]]], axis=0))
        return state[0] + 1, largest

    size, last = dataset.reduce((0, 0), add)
    return int(size), int(last)


def _entries(dataset: tf.data.Dataset, seed: tf.Tensor | None, limit: int | None) -> tf.data.Dataset:
    """Returns (index, element) of the first `limit` images, shuffled by a seed (2,), or in order for None."""
    entries = (dataset if limit is None else dataset.take(limit)).enumerate()
    if seed is None:
        return entries
    return entries.shuffle(_SHUFFLE_BUFFER, seed=seed[1], reshuffle_each_iteration=False)


def _to_bytes(image: tf.Tensor) -> tf.Tensor:
    """Returns the image as (H, W, 3) uint8."""
    image = image if image.dtype == tf.uint8 else tf.saturate_cast(tf.round(tf.cast(image, tf.float32)), tf.uint8)
    return tf.ensure_shape(image, (None, None, 3))


class _Reader:
    """Makes examples, as `data.source` describes them, from the elements of the user's data set."""

    def __init__(self, expected: Expected):
        self._fields, self._where = expected.fields, expected.where
        self._converter = Converter(expected)
        self._unseen = WarningCounter(f"object(s) of {expected.where} left out, box outside the image or given twice")

    def to_example(self, index: tf.Tensor, element) -> dict:
        """Returns the example of an element, in a graph; NumPy converts the labels."""
        image, labels = unpack(element, self._where)
        image, keys = to_dense(image), keys_of(labels, self._fields, self._where)
        of_objects = {"boxes_xyxy": ("float32", (4,)), "classes": ("int32", ()), "areas": ("float32", ())}
        of_objects |= {key: (spec.dtype, spec.shape) for key, spec in self._fields.items() if not spec.of_image}
        shapes = {key: (dtype, (None, *shape)) for key, (dtype, shape) in of_objects.items()}
        shapes |= {key: (spec.dtype, spec.shape) for key, spec in self._fields.items() if spec.of_image}

        def read(image_hw, *values):
            rows = self._read(dict(zip(keys, values, strict=True)), image_hw, tuple(of_objects))
            return [rows[key] for key in shapes]

        given = [tf.shape(image)[:2], *(to_dense(labels[key]) for key in keys)]
        rows = tf.numpy_function(read, given, [dtype for dtype, _ in shapes.values()], stateful=False)
        example = {k: tf.ensure_shape(v, shape) for (k, (_, shape)), v in zip(shapes.items(), rows, strict=True)}
        none = tf.zeros_like(example["classes"], tf.bool)
        return {"image": _to_bytes(image), "image_id": index, **example, "is_crowd": none, "is_difficult": none}

    def _read(self, labels: Mapping, image_hw: np.ndarray, of_objects: tuple[str, ...]) -> dict:
        """Returns the values of one image, without objects that are outside the image or given twice."""
        objects = self._converter.to_objects({key: value[None] for key, value in labels.items()}, image_hw)
        objects = {key: values[0] for key, values in objects.items()}
        rows = np.column_stack([objects["classes"], objects["boxes_xyxy"]])
        _, first = np.unique(rows[objects["mask"]], axis=0, return_index=True)
        is_new = np.isin(np.cumsum(objects["mask"]) - 1, first)
        kept = objects["mask"] & is_new & meets(objects["boxes_xyxy"], *image_hw)
        lost = objects["mask"] & ~kept
        if np.any(lost):
            self._unseen.add(f"box {objects['boxes_xyxy'][lost][0].tolist()}", np.count_nonzero(lost))
        return objects | {key: objects[key][kept] for key in of_objects}
