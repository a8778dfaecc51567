"""The folder of a run: what is in it, and how its files are written so that none is ever half there."""

import json
import os
import pathlib

from keras_centernet.errors import UserError
from keras_centernet.files import write_whole

BEST, LAST, STATE = "best.keras", "last.keras", "last_state.npz"
HISTORY, CONFIG, METRICS = "history.csv", "config.json", "metrics.json"


class RunFolder:
    """Paths and writing of a run's files.

    Args:
        path: folder, made if missing.
        resume: whether to go on in a folder that holds a run already.

    Raises:
        UserError: the folder cannot be written, holds a finished or unfinished run and `resume` is
            False, or holds nothing to resume.
    """

    def __init__(self, path: str | os.PathLike, resume: bool = False):
        self.path = pathlib.Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".probe"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise UserError(f"--output {path}: expected a folder that can be written to: {error.strerror}.") from error
        if self.holds_run() and not resume:
            raise UserError(
                f"--output {path}: expected an empty folder, got one with a run in it. Add --resume to go on with "
                "it, or name another folder."
            )
        if resume and not self.holds_run():
            raise UserError(f"--resume: expected {self / LAST} and {STATE}, which {path} does not hold. Leave it away.")

    def __truediv__(self, name: str) -> pathlib.Path:
        return self.path / name

    def holds_run(self) -> bool:
        """Whether an epoch of some run was finished here."""
        return (self / LAST).exists() and (self / STATE).exists()

    def write_json(self, name: str, content: dict) -> None:
        """Writes a JSON file whole or not at all."""
        self.replace(name, lambda beside: beside.write_text(json.dumps(content, indent=2) + "\n"))

    def save_model(self, name: str, model) -> None:
        """Saves a model whole or not at all."""
        self.replace(name, model.save)

    def replace(self, name: str, write) -> None:
        """Calls `write(path)` for a path beside the file, then renames it into place; see `write_whole`."""
        write_whole(self / name, write)
