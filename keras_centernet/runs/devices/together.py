"""Several processes that train one model: they begin at the same step and end together."""

import keras

from keras_centernet.errors import UserError
from keras_centernet.runs.devices.devices import Devices

LOST = (
    "--multi-worker: expected all workers to run to the end, one of them has stopped. Its own output says why; start "
    "all of them again, with --resume if there is a checkpoint."
)


class ByOne(keras.callbacks.Callback):
    """Calls callbacks that only one of several processes has, outside of what all compute together."""

    def __init__(self, callbacks: list[keras.callbacks.Callback], devices: Devices):
        super().__init__()
        self.callbacks, self.devices = callbacks, devices
        self.async_safe = all(getattr(callback, "async_safe", False) for callback in callbacks)

    def set_params(self, params):
        super().set_params(params)
        self._each("set_params", params)

    def set_model(self, model):
        super().set_model(model)
        self._each("set_model", model)

    def on_train_begin(self, logs=None):
        self._each("on_train_begin", logs)

    def on_train_end(self, logs=None):
        self._each("on_train_end", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._each("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._each("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._each("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._each("on_train_batch_end", batch, logs)

    def on_test_begin(self, logs=None):
        self._each("on_test_begin", logs)

    def on_test_end(self, logs=None):
        self._each("on_test_end", logs)

    def on_test_batch_begin(self, batch, logs=None):
        self._each("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        self._each("on_test_batch_end", batch, logs)

    def _each(self, hook: str, *arguments) -> None:
        with self.devices.alone():
            for callback in self.callbacks:
                getattr(callback, hook)(*arguments)


class StopTogether(keras.callbacks.Callback):
    """Stops the training in all processes after an epoch in which a callback of one of them has stopped it."""

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
