"""Checkpoints: the whole state of a training in one file, from which it continues as if it had never stopped."""

import dataclasses
import re
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras.ops import convert_to_numpy

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.atomic import local_copy
from keras_centernet.runs.callbacks import InsteadOfStep
from keras_centernet.runs.folder import EARLIER, LAST, RunFolder
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.weights.keras_file import check_keras_file

_EARLIER_NAME = re.compile(r"step_[0-9]+[\w. ()-]*\.keras", re.ASCII)
SEED_STATE = "seed_generator_state"  # Keras' name of the variable of a SeedGenerator


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes:
        epoch, batch: finished epochs, and finished batches of the unfinished epoch after them.
        steps_per_epoch: batches of an epoch.
        best, waited: highest main metric so far, and evaluations since then.
        seconds: of training so far.
        rate, running_means: of the unfinished epoch: learning rate of its first step, values of the metrics' variables.
        earlier: names of the kept checkpoints that are older than last.keras, the oldest first.
    """

    epoch: int = 0
    batch: int = 0
    steps_per_epoch: int = 0
    best: float = -1.0
    waited: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    running_means: tuple[np.ndarray, ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """Finished batches since the beginning."""
        return self.epoch * self.steps_per_epoch + self.batch


_NUMBERS = {field.name: field.type for field in dataclasses.fields(Progress) if field.type in (int, float)}


def state_of(model: keras.Model, progress: Progress, means: Sequence[np.ndarray] | None = None) -> dict:
    """Returns as {name: array} what a model file lacks: progress, random state, running means, averaged weights.

    `means` are the running means; None: the model's current ones.
    """
    state = {name: np.asarray(getattr(progress, name)) for name in _NUMBERS}
    state |= {f"random_{i}": convert_to_numpy(variable) for i, variable in enumerate(_random_states(model))}
    state["earlier"] = np.asarray(progress.earlier, np.str_)
    means = running_means(model) if means is None else means
    state |= {f"figure_{i}": value for i, value in enumerate(means)}  # named as in files of version 0.1.0
    return state | (model.average.state() if model.average else {})


def running_means(model: keras.Model) -> tuple[np.ndarray, ...]:
    """Returns the values of the variables of a model's metrics."""
    return tuple(convert_to_numpy(_of_replicas(variable)[0]) for variable in _running_means(model))


def restore(model: keras.Model, folder: RunFolder) -> Progress:
    """Loads last.keras into a model that was built and compiled as at the beginning; returns the progress.

    Raises a UserError if the file is damaged or belongs to another model.
    """
    state = folder.read_checkpoint()
    try:
        with local_copy(folder / LAST) as path:
            check_keras_file(path, LAST)
            model.load_weights(path)
        for i, variable in enumerate(_random_states(model)):
            variable.assign(state[f"random_{i}"])
        if model.average:
            model.average.restore(state)
        means = tuple(state[f"figure_{i}"] for i in range(len(_running_means(model))))
        numbers = {name: kind(state[name]) for name, kind in _NUMBERS.items()}
        return Progress(**numbers, running_means=means, earlier=_earlier_of(state))
    except Exception as error:  # Keras raises many kinds for files that do not fit
        what = f"{folder / LAST} to be of this model and data"
        raise UserError(f"--resume: expected {what}: {first_line(error)}") from error


def with_steps(model: keras.Model, progress: Progress, steps_per_epoch: int) -> Progress:
    """Returns the progress for epochs of `steps_per_epoch`: finished epochs count, an unfinished one starts again.

    If the length changed, the optimizer's step count, on which its learning rate depends, is set as if the finished
    epochs had had the new length.
    """
    if progress.steps_per_epoch == steps_per_epoch:
        return progress
    begun = {"batch": 0, "rate": 0.0, "running_means": ()}
    progress = dataclasses.replace(progress, steps_per_epoch=steps_per_epoch, **begun)
    model.optimizer.iterations.assign(progress.step)
    return progress


class EnterEpoch(InsteadOfStep):
    """Enters the first epoch where a checkpoint left it: the batches already trained on are counted, not trained again.

    With several workers, each needs one.
    """

    def __init__(self, progress: Progress):
        super().__init__()
        self._to_skip, self._running_means, self._metrics = progress.batch, progress.running_means, {}

    def on_epoch_begin(self, epoch, logs=None):
        """Restores the running means of the unfinished epoch, and skips its first batches."""
        if not self._to_skip:
            return
        for variable, value in zip(_running_means(self.model), self._running_means, strict=True):
            for one in _of_replicas(variable):
                one.assign(value)
        self._metrics = self.model.get_metrics_result()
        self.take_over()

    def step(self, state, data):
        # The data set already begins after the skipped batches, so nothing is read from it here.
        self._to_skip -= self.trained.steps_per_execution
        if self._to_skip <= 0:
            self.give_back()
        return self._metrics, state


class KeepLast(keras.callbacks.Callback):
    """Saves, after every epoch and on request within epochs, everything that `--resume` needs.

    At most `settings.keep` checkpoints are kept: last.keras, and older ones in the folder `EARLIER`.

    Args:
        folder: of the run.
        progress: where the training begins.
        settings: how often to save, and how many checkpoints to keep.
        known: function that returns the current "best", "waited", "rate" and "seconds" of `Progress`.
    """

    def __init__(self, folder: RunFolder, progress: Progress, settings: TrainSettings, known: Callable[[], dict]):
        super().__init__()
        self.folder, self.progress, self.known = folder, progress, known
        self.every, self.keep = settings.checkpoint_every, settings.keep
        self.async_safe = not self.every  # then Keras need not wait for the device after every step
        self._seen, self._saved = progress.batch, progress.step if folder.holds_run() else None

    def on_train_begin(self, logs=None):
        self._together = self.model.steps_per_execution

    def on_train_batch_end(self, batch, logs=None):
        done, steps = batch + 1, self.progress.steps_per_epoch
        if self.every and self._seen < done < steps:
            step = self.progress.epoch * steps + done
            if step // self.every > (step - self._together) // self.every:
                self._save(self.progress.epoch, done)

    def on_epoch_end(self, epoch, logs=None):
        self._seen = 0
        self._save(epoch + 1, 0)

    def save_begun(self, batch: int, means: Sequence[np.ndarray] | None = None) -> None:
        """Saves within an epoch, after `batch` batches, unless no batch was trained on since the last save.

        If `batch` completes the epoch, nothing that callbacks have done at its end counts, because it will be done
        again. `means` are then the running means of the training, because validation replaces them by its own.
        """
        if self.progress.epoch * self.progress.steps_per_epoch + batch > (self._saved or 0):
            self._save(self.progress.epoch, batch, means, best=self.progress.best, waited=self.progress.waited)

    def _save(self, epoch: int, batch: int, means: Sequence[np.ndarray] | None = None, **known) -> None:
        before = self.progress.earlier
        previous = self.folder.earlier_name(self._saved) if self.keep > 1 and self._saved is not None else None
        kept = (*before, previous)[1 - self.keep :] if previous else before[len(before) - self.keep + 1 :]
        self.progress = dataclasses.replace(
            self.progress, epoch=epoch, batch=batch, earlier=kept, **self.known() | known
        )
        self.folder.save_checkpoint(self.model, state_of(self.model, self.progress, means), previous)
        self._saved = self.progress.step
        for name in set(before) - set(kept):  # only what this run saved: a user may keep others there
            (self.folder / EARLIER / name).unlink(missing_ok=True)


def _earlier_of(state: dict) -> tuple[str, ...]:
    """Returns the names of earlier checkpoints, which the run will delete; raises a UserError for any other name."""
    names = tuple(map(str, state.get("earlier", ())))  # version 0.1.0 did not write them
    wrong = [name for name in names if not _EARLIER_NAME.fullmatch(name)]
    if wrong:
        raise UserError(f"expected names of checkpoints in it, got {shown(wrong[0])}; do not use the file")
    return names


def _random_states(model: keras.Model) -> list:
    return [variable for variable in model.variables if variable.path.endswith(SEED_STATE)]


def _running_means(model: keras.Model) -> list:
    return [variable for metric in model.metrics for variable in metric.variables]


def _of_replicas(variable) -> tuple:
    """Returns a running mean's equal copies on the local replicas: reading the whole costs a message to workers."""
    copies = getattr(variable.value, "values", None)  # a tuple in tf.distribute, a method of a PyTorch tensor
    return copies if isinstance(copies, tuple) else (variable,)
