"""Converts the user's data for `keras_centernet.evaluate`: arrays, or anything that yields batches."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from keras_centernet.data.own.batches import OwnData
from keras_centernet.data.own.labels import check_not_path
from keras_centernet.data.own.py_datasets import length_of

_ENDLESS, _UNKNOWN = -1, -2  # the values of tf.data's cardinality
_TOGETHER = 32  # images of arrays in one batch: Keras' default batch size


def is_arrays(data: object) -> bool:
    """Returns whether these are the images and labels of a whole data set: (images, labels), or a dict of them."""
    if isinstance(data, Mapping):
        return True
    return isinstance(data, tuple) and len(data) == 2 and _is_labels(data[1])


def measured_batches(own: OwnData, data: Iterable, where: str) -> Iterable:
    """Returns batches (images, objects) with all that evaluation needs; batches that are ours stay unchanged.

    Args:
        own: the `OwnData` of the call.
        data: batches in any container, or arrays.
        where: how messages begin.

    Raises:
        UserError: the data are a path; or the first batch is wrong, which is raised when it is read.
    """
    check_not_path(data, where)
    if hasattr(data, "element_spec"):
        if own.is_ours(data.element_spec, where):
            return data
        from keras_centernet.data.own.tf_data import check_batched

        check_batched(data, where)
    if isinstance(data, list) and all(own.is_ours(batch, where) for batch in data[:1]):
        return data
    return _Measured(own, list(_slices(data)) if is_arrays(data) else data, where)


class _Measured:
    """Converted batches; an image without an id gets its position as id."""

    def __init__(self, own: OwnData, batches, where: str):
        self._own, self._batches, self._where = own, batches, where
        self.classes = getattr(batches, "classes", None)

    def cardinality(self) -> int:
        """Returns the number of batches, or -1 (endless) or -2 (unknown), as in tf.data."""
        if hasattr(self._batches, "cardinality"):
            return int(self._batches.cardinality())
        if getattr(self._batches, "num_batches", 0) is None:
            return _ENDLESS
        length = length_of(self._batches)
        return _UNKNOWN if length is None else length

    def __iter__(self) -> Iterator[tuple]:
        convert, start = None, 0
        for batch in self._batches:
            convert = convert or self._own.converter_of(batch, self._where, limited=False) or tuple
            images, objects = convert(batch)
            stop = start + len(objects["mask"])
            yield images, {"image_id": np.arange(start, stop), **objects}
            start = stop


def _is_labels(labels) -> bool:
    return isinstance(labels, Mapping) or (
        isinstance(labels, tuple | list) and len(labels) > 0 and isinstance(labels[0], Mapping)
    )


def _slices(data) -> Iterator:
    """Yields arrays in batches."""
    images = data["images"] if isinstance(data, Mapping) else data[0]
    for start in range(0, len(images), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        yield _sliced(data, part) if isinstance(data, Mapping) else (images[part], _sliced(data[1], part))


def _sliced(values, part: slice):
    if isinstance(values, Mapping):
        return {key: _sliced(value, part) for key, value in values.items()}
    return values[part]
