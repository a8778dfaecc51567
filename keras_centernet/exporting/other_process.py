"""Exports a model that runs on another backend, in a separate process that runs on TensorFlow."""

import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import keras

from keras_centernet.errors import UserError

ENGINE = "tensorflow"
_HOME = "keras_centernet.exporting.exporting_process"
MODEL, CALL, ANSWER = "model.keras", "call", "answer"  # files in a folder that both processes know


def must_leave() -> bool:
    """Whether Keras runs on another backend here than the one that exports."""
    return keras.backend.backend() != ENGINE


def export_elsewhere(
    model: keras.Model, path: str | os.PathLike, format: str | None, images: list | None, options: dict
):
    """Returns what `export_model` returns, with the same arguments, from another process.

    Raises:
        UserError: as of `export_model`; or the model has objects that its file does not rebuild, or images or options
            cannot be sent.
    """
    options = {name: list(value) if isinstance(value, Iterator) else value for name, value in options.items()}
    with tempfile.TemporaryDirectory(prefix="keras_centernet_export_") as name:
        folder = pathlib.Path(name)
        model.save(folder / MODEL)
        try:
            (folder / CALL).write_bytes(pickle.dumps((os.fspath(path), format, images, options)))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UserError(
                f"export: expected images and options that another process can read, got {error}. Pass a folder of "
                f"images, or load the model with KERAS_BACKEND={ENGINE}."
            ) from error
        done = subprocess.run(
            [sys.executable, "-m", "keras_centernet.exporting.exporting_process", name], env=_environment(), check=False
        )
        if not (folder / ANSWER).exists():
            raise UserError(
                f"export: expected a process with KERAS_BACKEND={ENGINE} to export the model, it ended with "
                f"{done.returncode}; its output says why. Is TensorFlow installed?"
            )
        answer = pickle.loads((folder / ANSWER).read_bytes())
    if isinstance(answer, UserError):
        raise answer
    return answer


def _environment() -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return os.environ | {"KERAS_BACKEND": ENGINE, "PYTHONPATH": paths}
