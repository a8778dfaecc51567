"""Several processes that train one model: where they begin, and where they end."""

import keras

from keras_centernet.errors import UserError
from keras_centernet.runs.devices.devices import Devices

LOST = (
    "--multi-worker: expected all workers to run to the end, one of them has stopped. Its own output says why; start "
    "all of them again, with --resume if there is a checkpoint."
)


class StopTogether(keras.callbacks.Callback):
    """Stops the training of all processes after an epoch in which a callback has stopped that of one of them."""

    def __init__(self, devices: Devices):
        super().__init__()
        self.devices = devices

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = self.devices.sum_over_processes(float(self.model.stop_training)) > 0


def check_together(devices: Devices, step: int) -> None:
    """Raises a UserError unless all processes begin at the same step; every one must call this."""
    if devices.sum_over_processes(float(step)) != step * devices.processes:
        found = f"got {step} here and another elsewhere"
        advice = "Give all of them the same --output, on a disk or bucket that they share."
        raise UserError(f"--multi-worker: expected all workers to begin at the same step, {found}. {advice}")
