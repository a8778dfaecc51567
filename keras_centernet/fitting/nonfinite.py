"""A callback that stops a training whose loss or weights are not finite."""

import math

import keras


class NonFiniteLossError(FloatingPointError):
    """The loss or a weight became NaN or infinite; the message names the epoch, and the batch or the weight."""


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops a training with a clear error at the first batch whose loss is NaN or infinite.

    At the end of an epoch it checks the weights, too: some kernels of ReLU turn NaN into 0, so that a network whose
    gradients have overflowed goes on with a finite loss.

    Raises:
        NonFiniteLossError: from `fit`, naming the batch or the weight.
    """

    async_safe = True  # Keras may begin the next batch meanwhile, so that the device does not wait

    def __init__(self):
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch for the message."""
        self._epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Checks the weights."""
        for variable in self.model.variables:
            if keras.backend.is_float_dtype(variable.dtype) and not keras.ops.all(keras.ops.isfinite(variable)):
                raise NonFiniteLossError(
                    f"The weights {variable.path} are NaN or infinite after epoch {epoch + 1}, with a finite loss: "
                    "gradients have overflowed. Lower the learning rate, limit the gradients (clip_norm) or take "
                    "larger batches or inputs; the last finished epoch's files are intact."
                )

    def on_train_batch_end(self, batch, logs=None):
        """Checks the running loss."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            parts = ", ".join(f"{name} {float(value):.4g}" for name, value in logs.items() if name != "loss")
            raise NonFiniteLossError(
                f"The loss is {loss} at epoch {self._epoch + 1}, batch {batch + 1} ({parts}): expected a finite "
                "number. Lower the learning rate or look at the images and boxes of that batch; the last "
                "finished epoch's files are intact."
            )
