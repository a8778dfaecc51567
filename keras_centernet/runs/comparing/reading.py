"""Reads runs from their folders, whether finished, unfinished or damaged."""

import dataclasses
import math
import os
from collections.abc import Iterable

from keras_centernet.errors import UserError
from keras_centernet.evaluation.metrics.table import main_metric
from keras_centernet.files.paths import to_path
from keras_centernet.runs.ending.metrics_file import METRICS_FILE, RUN
from keras_centernet.runs.folder import CONFIG, CONFIG_FILE, METRICS, RunFolder
from keras_centernet.runs.history import EPOCH, first_epochs
from keras_centernet.runs.resuming.run_settings import with_older_values

_ALL_EPOCHS = 10**9
VALIDATION = "val_"
_IDENTITY = ("images", "objects", "classes", "labels")  # keys of the validation data's fingerprint


@dataclasses.dataclass(frozen=True)
class PastRun:
    """A run as recorded in its folder.

    Attributes:
        name: path of the folder, as it was given.
        config: {option: value}; options that did not exist when the run began have the value of the old behaviour.
        metrics: content of metrics.json; empty if the run has not finished.
        history: {column of history.csv: a number for each epoch, NaN if it has none}.
        epochs: number of each row of the history.
    """

    name: str
    config: dict
    metrics: dict
    history: dict[str, list[float]]
    epochs: list[int]

    @property
    def task(self) -> str:
        """Name of its task."""
        return str(self.config.get("task"))

    @property
    def is_finished(self) -> bool:
        return bool(self.metrics)

    @property
    def main(self) -> str | None:
        """The metric that chose its best weights; None if nothing was measured."""
        measured = [name.removeprefix(VALIDATION) for name in self.history if name.startswith(VALIDATION)]
        return main_metric([*self.metrics, *measured])

    @property
    def best(self) -> tuple[float | None, int | None]:
        """The main metric (in metrics.json, else its highest in the history) and the epoch of its highest, or None."""
        values = self.history.get(f"{VALIDATION}{self.main}", [])
        pairs = [pair for pair in zip(values, self.epochs, strict=False) if math.isfinite(pair[0])]
        value, epoch = max(pairs, key=lambda pair: pair[0], default=(None, None))
        return self.number(self.main) if self.main in self.metrics else value, epoch

    def number(self, name: str) -> float | None:
        """Returns one of its metrics; None if it has no number of that name."""
        value = self.metrics.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def seconds(self) -> float | None:
        """How long it has trained."""
        return self.number("seconds_training") or math.fsum(self.history.get("seconds", [])) or None

    @property
    def measured_on(self) -> str | None:
        """A text that is equal for equal validation data; None if metrics.json does not record them."""
        data = self.metrics.get(RUN, {"data": {}})["data"].get("val")
        return repr([data.get(name) for name in _IDENTITY]) if isinstance(data, dict) else None


def read_runs(folders: Iterable[str | os.PathLike]) -> tuple[list[PastRun], list[str]]:
    """Returns the runs in folders, the best first, and a line for each folder without a run or with an unfinished run.

    Raises:
        UserError: none of the folders has a run.
    """
    runs, lines = [], []
    for folder in dict.fromkeys(map(str, folders)):
        try:
            run = _read_run(folder)
        except (UserError, OSError) as error:
            lines.append(f"left out: {error}")
            continue
        runs.append(run)
        if not run.is_finished:
            lines.append(f"{folder}: not finished, {_done(run)} of {run.config.get('epochs')} epochs.")
    if not runs:
        raise UserError(f"expected a folder of a run, got none; {lines[0] if lines else 'name some'}")
    return sorted(runs, key=lambda run: -(run.best[0] or 0)), lines


def short_names(runs: Iterable[PastRun]) -> dict[str, str]:
    """Returns {name of a run: last part of its path}, or the names unchanged if two have the same last part."""
    ends = {run.name: run.name.rstrip("/").rpartition("/")[2] or run.name for run in runs}
    return ends if len({*ends.values()}) == len(ends) else {name: name for name in ends}


def _read_run(path: str) -> PastRun:
    folder = RunFolder(path, writes=False)
    if not folder.path.is_dir() or not (folder / CONFIG).exists():
        found = "a folder without one" if to_path(path).is_dir() else "no folder"
        raise UserError(f"{path}: expected a run with its {CONFIG}, got {found}.")
    config = with_older_values(CONFIG_FILE.read(folder / CONFIG))
    rows = first_epochs(folder, _ALL_EPOCHS)
    names = dict.fromkeys(name for row in rows for name in row if name != EPOCH)
    history = {name: [float(row.get(name, "nan")) for row in rows] for name in names}
    metrics = METRICS_FILE.read(folder / METRICS) if (folder / METRICS).exists() else {}
    return PastRun(path, config, metrics, history, [int(row[EPOCH]) for row in rows])


def _done(run: PastRun) -> int:
    return max(run.epochs, default=0)
