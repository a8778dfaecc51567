"""Python containers of a user's batches -> `keras.utils.PyDataset`s of ours, which every backend takes."""

from collections.abc import Iterable

import keras

from keras_centernet.data.own.converter import Converter


def length_of(batches: Iterable) -> int | None:
    """Returns the number of batches; None where they do not know it, as PyTorch's loaders of streams."""
    try:
        return len(batches)
    except TypeError:
        return None


class ConvertedDataset(keras.utils.PyDataset):
    """The batches of a user's `PyDataset`, converted where its workers make them."""

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
        """Tells the user's data set."""
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Tells the user's data set."""
        self._dataset.on_epoch_end()


class LoadedDataset(keras.utils.PyDataset):
    """The batches of what can be gone through again and again, such as PyTorch's loaders, in the order of its own.

    Keras asks for batch 0, 1, ... of each pass.
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
