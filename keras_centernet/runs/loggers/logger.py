"""Loggers, which follow a run: its epochs, the metrics of its best weights, its end."""

import contextlib
import dataclasses
import math

import keras
import numpy as np

from keras_centernet.data.counting import WarningCounter
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.runs.folder import LOGGERS, RunFolder
from keras_centernet.runs.settings import TrainSettings

IDS = JsonFormat({str: str}, advice="remove it, and the run is shown as a new one")


@dataclasses.dataclass(frozen=True)
class LoggedRun:
    """What a logger is told about the run that it follows.

    Attributes:
        folder: of the run.
        settings: of the run.
        config: {option: value} and the "classes".
        images: (B, H, W, 3) uint8 inputs of the validation split, to draw with their detections.
    """

    folder: RunFolder
    settings: TrainSettings
    config: dict
    images: np.ndarray

    def read_id(self, name: str) -> str | None:
        """Returns the run's id in the service `name`; None if no earlier process has begun it there."""
        path = self.folder / LOGGERS
        return IDS.read(path).get(name) if path.exists() else None

    def write_id(self, name: str, run_id: str) -> None:
        """Keeps the id for `--resume`."""
        path = self.folder / LOGGERS
        self.folder.write_json(LOGGERS, (IDS.read(path) if path.exists() else {}) | {name: run_id})


class RunLogger(keras.callbacks.Callback):
    """A callback that is also told the final metrics and the end of the run."""

    def show_metrics(self, metrics: dict) -> None:
        """Shows the metrics of the best weights, as in metrics.json."""

    def close(self, is_done: bool) -> None:
        """Ends the log; unless `is_done`, an error or a signal has stopped the run."""


class ServiceLogger(RunLogger):
    """A logger whose service may be out of reach: the training goes on, and a warning counts what was not logged.

    Subclasses implement `begin`, `log`, `show` and `end`.

    Args:
        run: to follow.
        title: of the service.

    Raises:
        UserError: the service did not begin a run.
    """

    def __init__(self, run: LoggedRun, title: str):
        super().__init__()
        self._title, self._lost = title, WarningCounter(f"parts of the run are missing in {title}")
        self._epochs = run.settings.epochs
        try:
            self.begin(run)
        except Exception as error:  # of any library, network or server
            advice = "Mend that, or leave the option out"
            raise UserError(f"{title}: expected a run there, got: {first_line(error)}. {advice}.") from error

    def begin(self, run: LoggedRun) -> None:
        """Begins the run and logs its config, or continues the run with its id."""
        raise NotImplementedError

    def log(self, epoch: int, values: dict[str, float]) -> None:
        """Logs the values of an epoch, counted from 1."""
        raise NotImplementedError

    def show(self, values: dict[str, float]) -> None:
        """Logs the metrics of the best weights."""
        raise NotImplementedError

    def end(self, is_done: bool) -> None:
        """Ends the run."""
        raise NotImplementedError

    def on_epoch_end(self, epoch, logs=None):
        self._attempt(f"epoch {epoch + 1}", self.log, epoch + 1, numbers_of(logs or {}))

    def show_metrics(self, metrics: dict) -> None:
        self._attempt("the metrics of the best weights", self.show, numbers_of(metrics))

    def close(self, is_done: bool) -> None:
        self._attempt("the end", self.end, is_done)

    def _attempt(self, what: str, log, *arguments) -> None:
        try:
            log(*arguments)
        except Exception as error:  # a lost connection must not end a training of days
            self._lost.add(f"{what} ({first_line(error)})")


class Loggers(contextlib.AbstractContextManager):
    """All loggers of a run; leaving the context closes them.

    Attributes:
        callbacks: the loggers; empty before they are built.
    """

    def __init__(self):
        self.callbacks: list[RunLogger] = []

    def show_metrics(self, metrics: dict) -> None:
        """Tells each logger the metrics of the best weights."""
        for logger in self.callbacks:
            logger.show_metrics(metrics)

    def __exit__(self, kind, error, trace):
        for logger in self.callbacks:
            logger.close(kind is None)


def numbers_of(values: dict) -> dict[str, float]:
    """Returns the finite numbers among some values."""
    kinds = int | float | np.number
    numbers = {
        name: float(value) for name, value in values.items() if isinstance(value, kinds) and not isinstance(value, bool)
    }
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
