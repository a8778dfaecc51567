"""Callbacks of a run: they replace the training step, keep the best weights, and record history, rate and time."""

import math
import time

import keras

from keras_centernet.about import measured
from keras_centernet.evaluation.metrics.table import main_metric
from keras_centernet.files.atomic import write_whole
from keras_centernet.fitting.uncompiled import uncompiled
from keras_centernet.runs.folder import BEST, RunFolder
from keras_centernet.runs.history import first_epochs, write_rows


class InsteadOfStep(keras.callbacks.Callback):
    """A callback that replaces the compiled training step for a while: `step` runs between `take_over` and `give_back`.

    If one training has several, the one that took over last must give back first.

    Attributes:
        trained: the model. On JAX, reading `self.model` within a step would write an older state into the variables.
    """

    trained, _usual = None, None

    def step(self, state: tuple, data) -> tuple[dict, tuple]:
        """Runs in place of `usual` and returns the same.

        Args:
            state: (variables,) on JAX; () on the other backends, where the model holds them.
            data: iterator over batches; on PyTorch a list of one batch.

        Returns:
            The metrics so far, and the new state.
        """
        raise NotImplementedError

    def usual(self, state: tuple, data) -> tuple[dict, tuple]:
        """Runs the step that was replaced."""
        returned = self._usual(*state, data)
        return (returned[0], returned[1:]) if state else (returned, ())

    @property
    def has_taken_over(self) -> bool:
        return self._usual is not None

    def take_over(self) -> None:
        self.trained = self.model
        self._usual, self.trained.train_function = self.trained.train_function, self._train_function

    def give_back(self) -> None:
        self.trained.train_function, self._usual = self._usual, None

    def _train_function(self, *arguments):
        """What Keras calls: (data) -> metrics, on JAX (state, data) -> (metrics, state)."""
        *state, data = arguments
        metrics, state = self.step(tuple(state), data)
        return (metrics, *state) if state else metrics


class KeepBest(keras.callbacks.Callback):
    """Saves the (averaged) weights and their metrics, without the optimizer, at every new maximum of `main_metric`.

    Epochs without an evaluation change nothing. Without any evaluation, the last epoch is the best.

    Attributes:
        best: highest validation value of the main metric so far.
        waited: evaluations since then.
        patience: number of evaluations without a better value after which the training stops; None: never.
    """

    def __init__(self, folder: RunFolder, best: float = -1.0, waited: int = 0, patience: int | None = None):
        super().__init__()
        self.folder, self.best, self.waited, self.patience = folder, best, waited, patience

    @property
    def is_done(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        metrics = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        value = metrics.get(main_metric(metrics), math.nan)
        if value > self.best:  # False for NaN
            self.best, self.waited = float(value), 0
            values = {name: float(f"{metrics[name]:.6g}") for name in metrics if not name.endswith("loss")}
            with self.model.averaged(), uncompiled(self.model), measured(self.model, values):
                write_whole(self.folder / BEST, self.model.save)
        elif not math.isnan(value):
            self.waited += 1
        if self.is_done:
            self.model.stop_training = True


class RecordHistory(keras.callbacks.Callback):
    """Adds a row with all logs of each epoch to history.csv, and drops older rows of the same or later epochs."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1} | {name: f"{float(value):.6g}" for name, value in logs.items()}
        write_rows(self.folder, [*first_epochs(self.folder, epoch), row])


class AddRateAndTime(keras.callbacks.Callback):
    """Adds to the logs the learning rate of the epoch's first step and the seconds that this process spent on it.

    Args:
        schedule: the learning rate, or a Keras schedule of it.
        rate: of the first step of the epoch that an earlier process left unfinished; None: there is no such epoch.
    """

    def __init__(self, schedule, rate: float | None = None):
        super().__init__()
        self.schedule, self.rate, self._is_known = schedule, rate, rate is not None

    def on_epoch_begin(self, epoch, logs=None):
        if not self._is_known:
            # The schedule gets a plain number: all processes would have to compute together with the variable itself.
            # A constant rate is read from the optimizer, because callbacks such as ReduceLROnPlateau assign to it.
            optimizer = self.model.optimizer
            number = optimizer.iterations if callable(self.schedule) else optimizer.learning_rate
            number = keras.ops.convert_to_numpy(number)
            self.rate = float(self.schedule(number) if callable(self.schedule) else number)
        self._is_known = False
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = self.rate  # the optimizer's rate is already that of the next epoch
        logs["seconds"] = time.perf_counter() - self._start
