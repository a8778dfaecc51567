"""PyTorch: the first GPU or the CPU, which Keras chooses by itself."""

import tensorflow as tf
import torch

from keras_centernet.errors import UserError
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.settings import TrainSettings


class TorchDevices(Devices):
    """One device."""

    def __init__(self):
        super().__init__(["GPU:0" if torch.cuda.is_available() else "CPU"])
        self._profiler = None

    def make_deterministic(self):
        torch.use_deterministic_algorithms(True)

    def share(self, dataset, load, batch_size, epochs=None):
        first, stop, skip, *rest = epochs or (0, 0, 0)
        if not skip:
            return super().share(dataset, load, batch_size, epochs)
        # Keras takes a batch out of the data for every step, even for those that `EnterEpoch` skips.
        return _blank(dataset, skip).concatenate(dataset.for_epochs(first, stop, skip, *rest))

    def start_trace(self, folder):
        self._profiler = torch.profiler.profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(folder))
        self._profiler.start()

    def stop_trace(self):
        self._profiler.stop()


def build_devices(settings: TrainSettings) -> TorchDevices:
    """Returns the device."""
    if settings.gpus and not torch.cuda.is_available():
        advice = "Check the driver with nvidia-smi, or remove --gpus to train on what there is."
        raise UserError(f"--gpus {settings.gpus}: expected at most the 0 GPU(s) that PyTorch sees here. {advice}")
    return TorchDevices()


def _blank(dataset: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Returns `count` batches of zeros like those of a data set."""
    zeros = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), dataset.element_spec)
    return tf.data.Dataset.from_tensors(zeros).repeat(count)
