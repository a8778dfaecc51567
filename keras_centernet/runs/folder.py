"""The folder of a run: the names of its files, its checkpoint, and who may write into it."""

import contextlib
import io
import json
import os
import pathlib
import re
import zipfile
from collections.abc import Iterator

import numpy as np

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.archive import DAMAGES, check_archive, read_member
from keras_centernet.files.atomic import give_second_name, local_copy, write_text, write_whole
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.lock import one_writer
from keras_centernet.files.npz_file import read_npz
from keras_centernet.files.outputs import OVERWRITE, first_free, open_folder
from keras_centernet.files.paths import AnyPath, list_names, to_path
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import remove_temporaries
from keras_centernet.files.texts import read_beginning

BEST, LAST, EARLIER = "best.keras", "last.keras", "checkpoints"
HISTORY, CONFIG, METRICS = "history.csv", "config.json", "metrics.json"
SPLIT = "split.json"  # only if the run made the split itself
LOGGERS = "loggers.json"  # {service: id of the run there}, only if a service shows the run
STATE = "training_state.npz"  # inside last.keras
CURVES, DETECTIONS, PRECISION_RECALL = "curves.png", "detections.png", "precision_recall.png"
REPORT, TRAINING_BATCH = "report.html", "training_batch.jpg"
TENSORBOARD = "tensorboard"  # a folder; TensorBoard names the files in it
RESULTS = (BEST, LAST, EARLIER, HISTORY, CONFIG, METRICS, SPLIT, LOGGERS, CURVES, DETECTIONS, PRECISION_RECALL)
RESULTS += (REPORT, TRAINING_BATCH)
METRICS_MARK, METRICS_VERSION = "keras_centernet_metrics", 2  # key of metrics.json and its value
_LINES_BYTES = 1 << 16  # enough for three lines of history.csv
MARK, VERSION = "keras_centernet_run", 1  # key of config.json and its value: the folder is ours
CONFIG_FILE = JsonFormat(
    {"data": (str, None), "classes?": [str], "?": object},
    advice="put the file of the run back, or name another folder",
    version=VERSION,
    version_key=MARK,
)


class RunFolder:
    """A local or remote (gs://...) folder; `folder / name` is the path of a file, which `write_whole` writes.

    Args:
        path: folder, made if missing.
        resume: whether to go on with the run that it holds.
        overwrite: whether `begin` may replace the run that it holds.
        writes: whether this process makes and fills the folder: only one of several workers does, the others read.

    Raises:
        UserError: the folder cannot be written to, it holds a run or another file that results would replace, or the
            run to resume has lost its checkpoint.
    """

    def __init__(self, path: str | os.PathLike, resume: bool = False, overwrite: bool = False, writes: bool = True):
        self.path = to_path(path)
        if writes:
            open_folder(self.path)
            if (self / EARLIER).is_dir():
                remove_temporaries(self / EARLIER)
            self._check(resume, overwrite)

    def __truediv__(self, name: str) -> AnyPath:
        return self.path / name

    def holds_run(self) -> bool:
        return (self / LAST).exists()

    def names(self, folder: str) -> list[str]:
        """Returns the sorted names in a folder inside this one; none if it is missing."""
        return sorted(list_names(self / folder)) if (self / folder).exists() else []

    def is_ours(self) -> bool:
        """Whether a run of this package wrote its config.json, and therefore the other results, too."""
        try:
            return self.read_config().get(MARK) == VERSION
        except (OSError, UserError):
            return False

    def begin(self, config: dict) -> None:
        """Removes the results of the run to be replaced, if there is one, and writes the new run's config.json."""
        if self.is_ours():
            files = [name for name in reversed(RESULTS) if name not in (CONFIG, EARLIER)]
            for name in (*self._checkpoints(), *files):  # last.keras late: until then the old run can be resumed
                (self / name).unlink(missing_ok=True)
        self.write_config(config)

    def write_config(self, config: dict) -> None:
        self.write_json(CONFIG, {MARK: VERSION, **config})

    def read_config(self) -> dict:
        """Returns the settings of the run; raises a UserError if the file is damaged or of a newer version."""
        return CONFIG_FILE.read(self / CONFIG)

    def write_json(self, name: str, content: dict) -> None:
        write_text(self / name, json.dumps(content, indent=2) + "\n")

    def earlier_name(self, step: int) -> str:
        """Returns a free name in `EARLIER` for the current last.keras, which was saved after `step` steps."""
        path = self / EARLIER / f"step_{step:09d}.keras"
        is_left = path.exists() and not is_remote(path) and path.samefile(self / LAST)  # a killed process left it
        return path.name if is_left else first_free(path).name

    def save_checkpoint(self, model, state: dict[str, np.ndarray], previous: str | None = None) -> None:
        """Saves the model and the state of its training as the one file last.keras, whole or not at all.

        `load_model` can read the file too: Keras reads only the archive members that it knows.

        Args:
            model: to save.
            state: arrays by name; `read_checkpoint` returns them.
            previous: name in `EARLIER` under which the current last.keras is kept; None: it is replaced.
        """

        def write(path: pathlib.Path) -> None:
            model.save(path)
            content = io.BytesIO()
            np.savez(content, **state)
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(STATE, content.getvalue())

        if previous and self.holds_run():
            (self / EARLIER).mkdir(exist_ok=True)
            give_second_name(self / LAST, self / EARLIER / previous)
        write_whole(self / LAST, write)

    def _check(self, resume: bool, overwrite: bool) -> None:
        taken = [name for name in (*RESULTS, TENSORBOARD) if (self / name).exists()]
        for name in taken:
            if (self / name).is_dir() != (name in (EARLIER, TENSORBOARD)):
                expected = "a folder, got a file" if name in (EARLIER, TENSORBOARD) else "a file, got a folder"
                raise UserError(f"{self / name}: expected {expected}. Remove or rename it.")
        if resume and self.holds_run():
            return
        if self.is_ours():
            self._check_own({*taken}, resume, overwrite)
        elif self.holds_run():
            raise UserError(f"{self._taken('a run in it')} Add --resume to go on, or name another.")
        elif set(taken) - {TENSORBOARD}:
            raise UserError(f"{self._taken(f'{taken[0]} in it that no run wrote')} Name another.")

    def _check_own(self, taken: set[str], resume: bool, overwrite: bool) -> None:
        is_done = METRICS in taken or self._epochs_begun() > 1 or bool(self._checkpoints())
        if overwrite or (not is_done and (resume or not {BEST, LAST} & taken)):
            return  # nothing in it is worth keeping, or the user replaces it
        if resume:
            advice = f"Put it back or copy one of {EARLIER}/ there, or replace the run with {OVERWRITE}."
            raise UserError(f"--resume: expected {self / LAST}, got a run without it. {advice}")
        raise UserError(
            f"{self._taken('a run in it')} Add --resume to go on or {OVERWRITE} to replace it, or name another."
        )

    def _taken(self, what: str) -> str:
        return f"--output {self.path}: expected an empty folder, got one with {what}."

    def _epochs_begun(self) -> int:
        """Returns the number of rows in the first bytes of history.csv."""
        return read_beginning(self / HISTORY, _LINES_BYTES).count(b"\n") - 1

    def _checkpoints(self) -> list[str]:
        return [f"{EARLIER}/{name}" for name in self.names(EARLIER) if re.fullmatch(r"step_\d{9}\.keras", name)]

    def read_checkpoint(self) -> dict[str, np.ndarray]:
        """Returns the state that `save_checkpoint` wrote; raises a UserError if it is missing or damaged."""
        try:
            with local_copy(self / LAST) as path, zipfile.ZipFile(path) as archive:
                check_archive(archive, path, LAST)
                return read_npz(read_member(archive, STATE, LAST), STATE)
        except DAMAGES as error:
            earlier = self.names(EARLIER)
            advice = f"Copy {self / EARLIER}/{earlier[-1]} to its path" if earlier else "Start in another folder"
            expected = f"{self / LAST} with the state of its training, got a file without it ({first_line(error)})"
            raise UserError(f"--resume: expected {expected}. {advice}.") from error


@contextlib.contextmanager
def only_writer(path: str | os.PathLike, is_chief: bool) -> Iterator[None]:
    """Returns a context in which no other run writes to the folder `path`; of several workers, the chief locks it."""
    if not is_chief:
        yield
        return
    folder = to_path(path)
    open_folder(folder)
    with one_writer(folder / LAST):
        yield
