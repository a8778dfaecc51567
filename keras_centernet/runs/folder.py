"""The folder of a run: what is in it, and how its files are written so that none is ever half there."""

import io
import json
import os
import pathlib
import zipfile

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files import atomic as files
from keras_centernet.files.paths import AnyPath, list_names, to_path

BEST, LAST, EARLIER = "best.keras", "last.keras", "checkpoints"
HISTORY, CONFIG, METRICS = "history.csv", "config.json", "metrics.json"
STATE = "training_state.npz"  # inside last.keras


class RunFolder:
    """Paths and writing of a run's files, on this machine or behind a scheme such as gs://.

    Args:
        path: folder, made if missing.
        resume: whether to go on in a folder that holds a run already.
        writes: whether this process makes and fills the folder; of several workers one does, the others read.

    Raises:
        UserError: the folder cannot be written, or holds a finished or unfinished run and `resume` is False.
    """

    def __init__(self, path: str | os.PathLike, resume: bool = False, writes: bool = True):
        self.path = to_path(path)
        if not writes:
            return
        self._make()
        if self.holds_run() and not resume:
            raise UserError(
                f"--output {path}: expected an empty folder, got one with a run in it. Add --resume to go on with "
                "it, or name another folder."
            )

    def __truediv__(self, name: str) -> AnyPath:
        return self.path / name

    def holds_run(self) -> bool:
        """Whether a checkpoint of some run is here."""
        return self.holds(LAST)

    def holds(self, name: str) -> bool:
        """Whether a file of that name is here."""
        return (self / name).exists()

    def names(self, folder: str) -> list[str]:
        """Returns the sorted names in a folder inside this one; none where it is missing."""
        return sorted(list_names(self / folder)) if self.holds(folder) else []

    def read_bytes(self, name: str) -> bytes:
        """Returns the content of a file."""
        with self.fetch(name) as path:
            return path.read_bytes()

    def fetch(self, name: str):
        """Returns a context with a local path to read a file from."""
        return files.local_copy(self / name)

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        (self / name).unlink(missing_ok=True)

    def write_json(self, name: str, content: dict) -> None:
        """Writes a JSON file whole or not at all."""
        self.replace(name, lambda beside: beside.write_text(json.dumps(content, indent=2) + "\n"))

    def save_model(self, name: str, model) -> None:
        """Saves a model whole or not at all."""
        self.replace(name, model.save)

    def save_checkpoint(self, model, state: dict[str, np.ndarray], previous: str | None = None) -> None:
        """Saves the model and the state of its training as the one file last.keras, whole or not at all.

        It stays a file that `load_model` takes: Keras reads what it knows of the archive.

        Args:
            model: to save.
            state: arrays by name; `read_checkpoint` returns them.
            previous: name inside `EARLIER` that the last.keras of before gets; None: it is replaced.
        """

        def write(path: pathlib.Path) -> None:
            model.save(path)
            content = io.BytesIO()
            np.savez(content, **state)
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(STATE, content.getvalue())

        if previous and self.holds_run():
            (self / EARLIER).mkdir(exist_ok=True)
            files.give_second_name(self / LAST, self / EARLIER / previous)
        self.replace(LAST, write)

    def read_checkpoint(self) -> dict[str, np.ndarray]:
        """Returns the state that `save_checkpoint` wrote.

        Raises:
            UserError: the file is damaged, or was not written by a training.
        """
        try:
            with self.fetch(LAST) as path, zipfile.ZipFile(path) as archive:
                return dict(np.load(io.BytesIO(archive.read(STATE))))
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            earlier = self.names(EARLIER)
            advice = f"Copy {self / EARLIER}/{earlier[-1]} in its place" if earlier else "Start in another folder"
            raise UserError(
                f"--resume: expected {self / LAST} with the state of its training, got a file without it ({error}). "
                f"{advice}."
            ) from error

    def replace(self, name: str, write) -> None:
        """Calls `write(path)` for a local path, then puts that file in its place; see `write_whole`."""
        files.write_whole(self / name, write)

    def _make(self) -> None:
        try:
            files.check_writable(self.path)
            for name in self.names(""):
                if name.startswith(files.TEMPORARY):  # a process was killed while it wrote
                    self.remove(name)
        except Exception as error:  # OSError here, many kinds elsewhere
            reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
            raise UserError(f"--output {self.path}: expected a folder that can be written to: {reason}.") from error
