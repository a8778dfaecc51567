"""What a run asks of its devices, whatever the backend; the base class answers for a single device."""

import contextlib
import importlib
from collections.abc import Callable

import tensorflow as tf

from keras_centernet.runs.devices.choosing import check_options, running_backend
from keras_centernet.runs.devices.table import BACKENDS
from keras_centernet.runs.settings import TrainSettings


class Devices:
    """The devices that share each batch, in this process and in others.

    Attributes:
        names: of this process's devices, such as "GPU:0".
        replicas: number of devices in all processes; each gets an equal part of a batch.
        processes, process: number of processes that train together, and the index of this one.
    """

    def __init__(self, names: list[str], replicas: int = 1, processes: int = 1, process: int = 0):
        self.names, self.replicas, self.processes, self.process = names, replicas, processes, process

    @property
    def is_chief(self) -> bool:
        """Whether this process evaluates and writes: the chief, the first worker, or the only process."""
        return self.process == 0

    def make_deterministic(self) -> None:
        """Allows only kernels that give the same bits each time."""

    def building(self) -> contextlib.AbstractContextManager:
        """Returns the context in which model and optimizer are made."""
        return contextlib.nullcontext()

    def fitting(self) -> contextlib.AbstractContextManager:
        """Returns the context in which the model is fitted."""
        return contextlib.nullcontext()

    def alone(self) -> contextlib.AbstractContextManager:
        """Returns the context, within `fitting`, for what this process does and the others do not."""
        return contextlib.nullcontext()

    def share(self, dataset: tf.data.Dataset, load: Callable, batch_size: int, epochs: tuple[int, ...] | None = None):
        """Returns the data set as `fit` takes it: this process reads its own shard, and replicas get full batches.

        If several devices share each batch, a last partial batch is left out of the validation loss (metrics are of
        all images): a replica could be left without an image, which convolutions refuse.

        Args:
            dataset: global batches of `batch_size` images.
            load: function (batch_size, shard) -> the same data in other batches, of one process; see `load_dataset`.
            epochs: arguments for the `for_epochs` of a training set; None: the data set is used as it is.
        """
        if self.replicas == 1:
            return dataset.for_epochs(*epochs) if epochs else dataset
        return load_shard(dataset, load, batch_size, (self.processes, self.process), epochs)

    def sum_over_processes(self, value: float) -> float:
        """Returns the sum of a number over all processes; every one must call this."""
        return value

    def wait_for_all(self) -> None:
        """Waits until all processes have called this: one that ends early would count as lost."""

    def has_lost(self, error: BaseException) -> bool:
        """Returns whether an error says that another process has ended."""
        return False

    def leave(self, error: BaseException) -> None:
        """Lets this process end by itself after an error, without waiting for the others."""

    def start_trace(self, folder: str) -> None:
        """Begins a profile for TensorBoard, in folder/plugins/profile."""
        raise NotImplementedError

    def stop_trace(self) -> None:
        """Ends and writes it."""
        raise NotImplementedError


def build_devices(settings: TrainSettings) -> Devices:
    """Returns the devices that a run's settings ask for, on the backend that Keras runs on.

    It connects several processes, which must happen before the backend does anything else in this one.

    Raises:
        UserError: the backend or the machine lacks what the settings ask for.
    """
    check_options(settings, running_backend())
    home = importlib.import_module(f"{__package__}.{BACKENDS[running_backend()].home}")
    return home.build_devices(settings)


def load_shard(
    dataset: tf.data.Dataset, load: Callable, batch_size: int, shard: tuple[int, int], epochs: tuple[int, ...] | None
) -> tf.data.Dataset:
    """Returns the batches of one of `shard[0]` readers, its parts of the global batches; see `Devices.share`."""
    size = batch_size // shard[0]
    part = load(batch_size=size, shard=shard)
    if epochs:
        return part.for_epochs(*epochs)
    part = part.rebatch(size, drop_remainder=True)
    return part.apply(tf.data.experimental.assert_cardinality(dataset.source.size // shard[0] // size))
