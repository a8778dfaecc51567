"""The loggers. A new one is a file here, a row of `LOGGERS`, and an option of its name in `TrainSettings`."""

import dataclasses
from collections.abc import Callable, Sequence

import keras

from keras_centernet.errors import UserError, shown
from keras_centernet.packages import check_installed
from keras_centernet.runs.loggers.logger import LoggedRun, RunLogger
from keras_centernet.runs.loggers.mlflow import ShowInMlflow
from keras_centernet.runs.loggers.tensorboard import ShowInTensorBoard
from keras_centernet.runs.loggers.wandb import ShowInWandb
from keras_centernet.runs.settings import TrainSettings


@dataclasses.dataclass(frozen=True)
class Logger:
    """A row.

    Attributes:
        build: function (run) -> the callback.
        package: that must be installed.
    """

    build: Callable[[LoggedRun], RunLogger]
    package: str


# {option of a run that asks for it: row}
LOGGERS = {
    "tensorboard": Logger(ShowInTensorBoard, "tensorboard"),
    "wandb": Logger(ShowInWandb, "wandb"),
    "mlflow": Logger(ShowInMlflow, "mlflow"),
}


def check_loggers(settings: TrainSettings) -> None:
    """Raises a UserError if the settings ask for a logger whose package is not installed."""
    for name, row in _wanted(settings).items():
        check_installed(f"--{name}", row.package, otherwise="leave it out")


def check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Raises a UserError unless they are a list or tuple of Keras callbacks."""
    several = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    wrong = [one for one in several if not isinstance(one, keras.callbacks.Callback)]
    if wrong or several is not callbacks:
        found = shown([*wrong, callbacks][0])
        raise UserError(f"callbacks: expected a list of keras.callbacks.Callback, got {found}.")


def build_loggers(run: LoggedRun) -> list[RunLogger]:
    """Returns the loggers that a run asks for."""
    return [row.build(run) for row in _wanted(run.settings).values()]


def _wanted(settings: TrainSettings) -> dict[str, Logger]:
    return {name: row for name, row in LOGGERS.items() if getattr(settings, name)}
