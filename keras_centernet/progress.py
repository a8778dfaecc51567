"""Callbacks that watch a training."""

import math

import keras


class NonFiniteLossError(FloatingPointError):
    """The loss became NaN or infinite; the message names the epoch and the batch."""


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops a training with a clear error at the first batch whose loss is NaN or infinite.

    The running means of an epoch stay NaN once one batch was, so the batch at which they turn is the
    culprit.

    Raises:
        NonFiniteLossError: from `fit`, naming the batch.
    """

    def __init__(self):
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the running loss."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            parts = ", ".join(f"{name} {float(value):.4g}" for name, value in logs.items() if name != "loss")
            raise NonFiniteLossError(
                f"The loss is {loss} at epoch {self._epoch + 1}, batch {batch + 1} ({parts}): expected a finite "
                "number. Lower the learning rate or look at the images and boxes of that batch; the last "
                "finished epoch's files are intact."
            )
