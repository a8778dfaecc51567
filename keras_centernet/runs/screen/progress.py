"""The progress of a training: a bar in a terminal, a line per epoch everywhere."""

import sys
import threading

import keras

from keras_centernet.evaluation.metrics.table import main_metric
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.screen.time_left import TimeLeft
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.terminal.layout import USUAL, columns_of_terminal, duration, joined

FIRST_STEPS = 20  # after which the time left is first printed, if an epoch is longer
_BAR = 20  # columns
_REDRAWN = 0.1  # seconds
_ERASE = "\r\x1b[K"


class ShowProgress(keras.callbacks.Callback):
    """Prints a line at the end of every epoch: losses, metrics if they were measured, its time and the time left.

    In a terminal the same line, with a bar, is redrawn while the epoch runs. This must be the last of the callbacks.

    Args:
        time_left: of the training.
        draws: whether stdout is a terminal in which a line can be redrawn.
        skipped: steps of the first epoch that an earlier process has done.
    """

    async_safe = True  # Keras may begin the next batch meanwhile, so that the device does not wait

    def __init__(self, time_left: TimeLeft, draws: bool, skipped: int = 0):
        super().__init__()
        self.time_left, self.draws, self.skipped = time_left, draws, skipped
        self._epoch, self._start, self._drawn, self._said = 0, 0.0, 0.0, False
        self._lock = threading.Lock()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._start = epoch, self.time_left.now()
        self.time_left.begin_epoch(self.skipped)
        self.skipped = 0
        self._draw(0, {})

    def on_train_batch_end(self, batch, logs=None):
        with self._lock:
            self.time_left.end_step(batch + 1)
            now, is_last = self.time_left.now(), batch + 1 == self.time_left.steps
            if is_last or now - self._drawn > _REDRAWN:
                self._drawn = now
                self._draw(batch + 1, logs or {})
            if not self._said and not is_last and batch + 1 >= FIRST_STEPS:
                self._said = True
                self._print([f"time       {self.time_left.text(self._epoch, batch + 1)}, as the first steps tell"])

    def on_epoch_end(self, epoch, logs=None):
        with self._lock:
            self._said = True
            self.time_left.end_epoch(epoch)
            took = duration(self.time_left.now() - self._start)
            self._print(self._parts(self.time_left.steps, "", logs or {}, took))

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Erases the unfinished line."""
        self._write(_ERASE if self.draws else "")

    def _draw(self, done: int, logs: dict) -> None:
        if self.draws:
            columns = columns_of_terminal() - 1  # some terminals wrap a line that fills the last one
            whole = _BAR if columns >= USUAL - 1 else _BAR // 2
            full = round(whole * done / self.time_left.steps)
            bar = f"{'━' * full}{'─' * (whole - full)} {done}/{self.time_left.steps}"
            self._write(_ERASE + joined(self._parts(done, bar, logs), columns))

    def _parts(self, done: int, bar: str, logs: dict, took: str = "") -> list[str]:
        """Returns the parts of the line, the most important first, as a narrow terminal has no room for the rest."""
        epochs = str(self.time_left.epochs)
        left = self.time_left.text(self._epoch, done)
        times = ", ".join(text for text in (took, left if self._epoch + 1 < int(epochs) or not took else "") if text)
        parts = [f"Epoch {self._epoch + 1:{len(epochs)}}/{epochs}", bar, *_main(logs), times]
        return [part for part in [*parts, *_losses(logs)] if part]

    def _print(self, parts: list[str]) -> None:
        self._write(f"{_ERASE}{joined(parts, columns_of_terminal() - 1)}\n" if self.draws else f"{'  '.join(parts)}\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def show_progress(settings: TrainSettings, progress: Progress, draws: bool) -> ShowProgress:
    """Returns the callback for a run that goes on from `progress`."""
    measured = set(settings.measured_epochs)

    def is_measured(epoch: int) -> bool:
        return epoch + 1 in measured

    return ShowProgress(TimeLeft(progress.steps_per_epoch, settings.epochs, is_measured), draws, progress.batch)


def _main(logs: dict) -> list[str]:
    """Returns the loss, and the main metric and the validation loss if they were measured."""
    metric = main_metric(name.removeprefix("val_") for name in logs if name.startswith("val_"))
    return _texts(logs, [name for name in ("loss", f"val_{metric}", "val_loss") if name in logs])


def _losses(logs: dict) -> list[str]:
    """Returns the losses of the heads."""
    names = [name for name in logs if name.endswith("_loss") and not name.startswith("val_")]
    return [text.replace("_loss", "") for text in _texts(logs, names)]


def _texts(logs: dict, names: list[str]) -> list[str]:
    return [f"{name} {float(logs[name]):.4g}" for name in names]
