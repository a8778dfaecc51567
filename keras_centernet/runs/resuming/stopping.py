"""A training that is ended by a signal leaves a checkpoint of what it has trained."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from keras_centernet.runs.checkpoints import KeepLast, running_means
from keras_centernet.terminal.running import (
    end_with,
    postpone_interruption,
    say_left,
    waiting_signal,
    was_interrupted,
)

STEP_SECONDS = 6.0  # that a step is given to finish: `docker stop` kills after 10


class LeaveCheckpoint(keras.callbacks.Callback):
    """After a signal, saves a checkpoint and ends the training, between two steps or after an epoch's last one.

    In a command (`terminal.running.run_command`) a closed output pipe counts as a signal; outside of commands Ctrl-C
    works as usual. This must be the first callback that does something at the end of an epoch.
    """

    def __init__(self, keep_last: KeepLast, total_epochs: int):
        super().__init__()
        self.keep_last, self.total_epochs = keep_last, total_epochs
        self._trained_epoch, self._means = None, None

    def on_epoch_begin(self, epoch, logs=None):
        postpone_interruption(STEP_SECONDS)

    def on_train_batch_begin(self, batch, logs=None):
        if number := waiting_signal():
            end_with(number, lambda: self._save(batch))

    def on_test_begin(self, logs=None):
        self._end_steps()

    def on_epoch_end(self, epoch, logs=None):
        self._end_steps()

    @contextlib.contextmanager
    def on_the_way_out(self) -> Iterator[None]:
        """Returns a context for `fit` in which an interruption of the end of an epoch leaves a checkpoint, too."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or was_interrupted():
                if self._trained_epoch == self.keep_last.progress.epoch:
                    self._save(self.keep_last.progress.steps_per_epoch, self._means)
                self._say()
            raise
        postpone_interruption(0)

    def _end_steps(self) -> None:
        if self._trained_epoch != self.keep_last.progress.epoch:
            self._trained_epoch, self._means = self.keep_last.progress.epoch, running_means(self.model)
        postpone_interruption(0)

    def _save(self, batch: int, means: Sequence[np.ndarray] | None = None) -> None:
        self.keep_last.save_begun(batch, means)
        self._say()

    def _say(self) -> None:
        progress, path = self.keep_last.progress, self.keep_last.folder.path
        if progress.step:
            begun = f" and {progress.batch} of {progress.steps_per_epoch} batches" if progress.batch else ""
            done = f"{progress.epoch} of {self.total_epochs} epochs{begun}"
            say_left(f"Saved after {done}; go on with: keras-centernet train --resume {path}")
