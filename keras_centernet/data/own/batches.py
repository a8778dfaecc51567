"""Converts the user's data for `fit` and `evaluate`; batches that are already ours stay unchanged."""

import contextlib
import dataclasses
import itertools
import types
from collections.abc import Iterator, Mapping

import keras

from keras_centernet.data.own.box_formats import check_format
from keras_centernet.data.own.converter import Converter, Expected
from keras_centernet.data.own.first_batch import check_images, check_labels
from keras_centernet.data.own.labels import IMAGES, check_not_path, is_ours, read_labels, unpack
from keras_centernet.data.own.py_datasets import ConvertedDataset, LoadedDataset, length_of
from keras_centernet.errors import UserError
from keras_centernet.tasks.table import task_row


class OwnData:
    """The data of one call of `fit` or `evaluate`.

    Args:
        model: a `CenterNet`, or another detector with `classes`; its classes, task and input size are used.
        bounding_box_format: one of `BOX_FORMATS`; None: "xyxy".

    Raises:
        UserError: there is no such format.
    """

    def __init__(self, model, bounding_box_format: str | None = None):
        self._model, self._given_format = model, bounding_box_format
        self._box_format = check_format(bounding_box_format)
        self._converters = []

    def for_keras(self, x, y, where: str, shuffle: bool | None = None) -> tuple:
        """Returns (x, y, shuffle) as `keras.Model.fit` takes them.

        The first batch is checked; data sets and loaders therefore read it one more time.

        Args:
            x, y: images and labels; or x alone: a data set, a `PyDataset`, a loader or a generator of batches.
            where: how messages begin, such as "fit".
            shuffle: None: True, Keras' default, for the user's arrays and `PyDataset`s, else False.

        Raises:
            UserError: the first batch is wrong, or x is a path.
        """
        check_not_path(x, where)
        shuffles = False
        if hasattr(x, "element_spec"):
            x = self._tf_data(x, where)
        elif isinstance(x, keras.utils.PyDataset):
            converter = self._converter_of_first(iter(x), where)
            x, shuffles = (ConvertedDataset(x, converter), True) if converter else (x, False)
        elif isinstance(x, types.GeneratorType):
            x = self._generated(x, where)
        elif y is not None or isinstance(x, Mapping) or hasattr(x, "dtype"):
            batch = x if y is None else (x, y)
            converter = self.converter_of(batch, where)
            x, y, shuffles = (*converter(batch), True) if converter else (x, y, False)
        elif hasattr(x, "__iter__"):
            _check_loader(x, shuffle, where)
            x = LoadedDataset(x, self._converter_of_first(iter(x), where))
        return x, y, shuffles if shuffle is None else shuffle

    def validation_for_keras(self, data):
        """Returns `validation_data` as `keras.Model.fit` takes it."""
        if isinstance(data, tuple | list):
            x, y, _ = self.for_keras(*(*data, None)[:2], "validation_data")
            return (x, y, *data[2:])
        return self.for_keras(data, None, "validation_data")[0]

    @contextlib.contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Returns a context in which an error in a later batch is raised as one line, not as wrapped by TensorFlow."""
        try:
            yield
        except Exception:
            for converter in self._converters:
                if converter.problem:
                    raise converter.problem from None
            raise

    def is_ours(self, batch, where: str) -> bool:
        """Returns whether a batch, or the specification of one, is ours and needs no conversion.

        Raises:
            UserError: this is not a batch, or it is ours although a box format was given.
        """
        if not is_ours(unpack(batch, where)[1]):
            return False
        if self._given_format is not None:
            problem = f"boxes_xyxy are in pixels of the input, got {self._given_format!r}; remove it."
            raise UserError(f"{where}: bounding_box_format: expected None, as {problem}")
        return True

    def converter_of(self, batch, where: str, limited: bool = True) -> Converter | None:
        """Returns the converter for batches like this first one; None if they are ours.

        `limited` says whether all batches get the same number of rows, as training needs.

        Raises:
            UserError: the batch is wrong.
        """
        if self.is_ours(batch, where):
            return None
        images, labels = unpack(batch, where)
        check_images(images, where)
        model, classes = self._model, tuple(self._model.classes)
        row = task_row(getattr(model, "task", "detection"))
        expected = Expected(where, classes, self._box_format, row.fields, getattr(model, "input_size", None))
        Converter(expected).check_sizes(images)
        labels = read_labels(labels, row.fields, where)
        check_labels(labels, images, self._box_format, classes, where)
        if limited:
            expected = dataclasses.replace(expected, rows=max(row.max_objects, labels.boxes.shape[1]))
        self._converters.append(Converter(expected))
        return self._converters[-1]

    def _converter_of_first(self, batches: Iterator, where: str) -> Converter | None:
        return self.converter_of(_first_of(batches, where), where)

    def _generated(self, batches: Iterator, where: str) -> Iterator:
        first = _first_of(batches, where)
        convert = self.converter_of(first, where) or tuple
        return (convert(batch) for batch in itertools.chain([first], batches))

    def _tf_data(self, dataset, where: str):
        if self.is_ours(dataset.element_spec, where):
            _check_classes(dataset, self._model.classes, where)
            return dataset
        from keras_centernet.data.own.tf_data import check_batched, convert_dataset

        check_batched(dataset, where)
        first = _first_of(iter(dataset), where)
        return convert_dataset(dataset, self.converter_of(first, where), first)


def _first_of(batches: Iterator, where: str):
    first = next(batches, None)
    if first is None:
        raise UserError(f"{where}: {IMAGES}: expected at least one batch, got none.")
    return first


def _check_loader(loader, shuffle: bool | None, where: str) -> None:
    """Raises unless the loader has a length and is not to be shuffled."""
    if length_of(loader) is None:
        problem = "got one without; give it one, or make a tf.data.Dataset of it."
        raise UserError(f"{where}: expected a loader with a length, which tells when an epoch ends, {problem}")
    if shuffle:
        raise UserError(
            f"{where}: shuffle: expected None with a loader, which shuffles itself, got {shuffle}; remove it."
        )


def _check_classes(dataset, classes: tuple[str, ...], where: str) -> None:
    """Raises if a data set of `load_dataset` has more classes than the model."""
    from keras_centernet.data.origin import source_of

    source = source_of(dataset)
    if source is not None and len(source.classes) > len(classes):
        got = f"data with {len(source.classes)} ({', '.join(source.classes)}); build CenterNet(classes=train.classes)."
        raise UserError(f"{where}: expected data of the model's {len(classes)} classes, got {got}")
