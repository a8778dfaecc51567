"""What a run does at the end of every epoch: keep the best weights, record the history."""

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

    Of several in one training, the one that took over last gives back first.

    Attributes:
        trained: the model. (In a step JAX holds its state: to ask for `self.model` would bring an older one back.)
    """

    trained, _usual = None, None

    def step(self, state: tuple, data) -> tuple[dict, tuple]:
        """Runs in place of `usual` and returns the same.

        Args:
            state: (variables,) of JAX; () elsewhere, where models hold them.
            data: iterator of batches; of PyTorch a list of the one batch.

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
    """Saves the (averaged) weights and their metrics, without the optimizer, whenever the main validation metric grows.

    The metric is `main_metric`.

    Epochs without an evaluation change nothing. Without any evaluation, the last epoch is the best.

    Attributes:
        best: highest value of the main metric so far.
        waited: evaluations since then.
        patience: stops the training after so many evaluations without a better one; None: never.
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
    """Adds one row per epoch to history.csv, all that is in the logs; later rows of an earlier run are dropped."""

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
        rate: of the first step of an epoch that an earlier process began; None: no epoch was begun.
    """

    def __init__(self, schedule, rate: float | None = None):
        super().__init__()
        self.schedule, self.rate, self._is_known = schedule, rate, rate is not None

    def on_epoch_begin(self, epoch, logs=None):
        if not self._is_known:
            # Of the number, not of the optimizer's own variable, with which several processes must compute together.
            # A constant one is the variable, as callbacks such as ReduceLROnPlateau set it.
            optimizer = self.model.optimizer
            number = optimizer.iterations if callable(self.schedule) else optimizer.learning_rate
            number = keras.ops.convert_to_numpy(number)
            self.rate = float(self.schedule(number) if callable(self.schedule) else number)
        self._is_known = False
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = self.rate  # by now the optimizer's is that of the next epoch
        logs["seconds"] = time.perf_counter() - self._start
