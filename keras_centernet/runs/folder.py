"""The folder of a run: the names of its files, its checkpoint, and who may write into it."""

import io
import json
import os
import pathlib
import zipfile

import numpy as np

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import TEMPORARY, check_writable, give_second_name, local_copy, write_whole
from keras_centernet.files.paths import AnyPath, list_names, to_path

BEST, LAST, EARLIER = "best.keras", "last.keras", "checkpoints"
HISTORY, CONFIG, METRICS = "history.csv", "config.json", "metrics.json"
SPLIT = "split.json"  # where the run made it
STATE = "training_state.npz"  # inside last.keras


class RunFolder:
    """A local or remote (gs://...) folder; `folder / name` is the path of a file, which `write_whole` writes.

    Args:
        path: folder, made if missing.
        resume: whether to go on in a folder that holds a run already; without it, a UserError refuses one.
        writes: whether this process makes and fills the folder: of several workers one does, the others read.
    """

    def __init__(self, path: str | os.PathLike, resume: bool = False, writes: bool = True):
        self.path = to_path(path)
        if not writes:
            return
        try:
            check_writable(self.path)
            for name in self.names(""):
                if name.startswith(TEMPORARY):  # a process was killed while it wrote
                    (self / name).unlink(missing_ok=True)
        except Exception as error:  # OSError here, many kinds elsewhere
            reason = getattr(error, "strerror", None) or first_line(error)
            raise UserError(f"--output {self.path}: expected a folder that can be written to: {reason}.") from error
        if self.holds_run() and not resume:
            advice = "Add --resume to go on with it, or name another folder."
            raise UserError(f"--output {path}: expected an empty folder, got one with a run in it. {advice}")

    def __truediv__(self, name: str) -> AnyPath:
        return self.path / name

    def holds_run(self) -> bool:
        return (self / LAST).exists()

    def names(self, folder: str) -> list[str]:
        """Returns the sorted names in a folder inside this one; none if it is missing."""
        return sorted(list_names(self / folder)) if (self / folder).exists() else []

    def write_json(self, name: str, content: dict) -> None:
        write_whole(self / name, lambda temporary: temporary.write_text(json.dumps(content, indent=2) + "\n"))

    def save_checkpoint(self, model, state: dict[str, np.ndarray], previous: str | None = None) -> None:
        """Saves the model and the state of its training as the one file last.keras, whole or not at all.

        `load_model` takes the file too: Keras reads from the archive what it knows.

        Args:
            model: to save.
            state: arrays by name; `read_checkpoint` returns them.
            previous: name in `EARLIER` under which the present last.keras is kept; None: it is replaced.
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

    def read_checkpoint(self) -> dict[str, np.ndarray]:
        """Returns the state that `save_checkpoint` wrote; a UserError where there is none, as in a damaged file."""
        try:
            with local_copy(self / LAST) as path, zipfile.ZipFile(path) as archive:
                return dict(np.load(io.BytesIO(archive.read(STATE))))
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            earlier = self.names(EARLIER)
            advice = f"Copy {self / EARLIER}/{earlier[-1]} to its path" if earlier else "Start in another folder"
            expected = f"{self / LAST} with the state of its training, got a file without it ({error})"
            raise UserError(f"--resume: expected {expected}. {advice}.") from error
