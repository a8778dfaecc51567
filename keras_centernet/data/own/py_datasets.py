"""Python containers of the user's batches -> `keras.utils.PyDataset`s of ours, which every backend accepts."""

from collections.abc import Iterable

import keras

from keras_centernet.data.own.converter import Converter


def length_of(batches: Iterable) -> int | None:
    """Returns the number of batches; None if it is unknown, as for PyTorch's loaders of streams."""
    try:
        return len(batches)
    except TypeError:
        return None


class ConvertedDataset(keras.utils.PyDataset):
    """The batches of the user's `PyDataset`, converted by the workers that make them."""

    def __init__(self, dataset: keras.utils.PyDataset, converter: Converter):
        super().__init__(dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size)
        self._dataset, self._converter = dataset, converter

    @property
    def num_batches(self) -> int | None:
        """Number of batches; None: endless."""
        return self._dataset.num_batches

    def __getitem__(self, index: int) -> tuple:
        return self._converter(self._dataset[index])

    def on_epoch_begin(self) -> None:
        """Calls `on_epoch_begin` of the user's data set."""
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Calls `on_epoch_end` of the user's data set."""
        self._dataset.on_epoch_end()


class LoadedDataset(keras.utils.PyDataset):
    """The batches of a container that can be iterated repeatedly, such as a PyTorch loader, in the container's order.

    Keras asks for the batches 0, 1, ... in this order; batch 0 begins a new pass.
    """

    def __init__(self, loader, converter: Converter | None):
        super().__init__()
        self._loader, self._convert, self._batches = loader, converter or tuple, None

    @property
    def num_batches(self) -> int:
        """Number of batches of a pass."""
        return len(self._loader)

    def __getitem__(self, index: int) -> tuple:
        if index == 0:
            self._batches = iter(self._loader)
        return self._convert(next(self._batches))
