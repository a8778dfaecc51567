"""PyTorch checkpoints and safetensors files -> NumPy arrays, without running any code of the file."""

import os
import pathlib

import numpy as np

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import to_path
from keras_centernet.packages import check_installed, import_package
from keras_centernet.weights.torch_file import read_torch

READERS = {".safetensors": "safetensors", ".pth": "torch", ".pt": "torch", ".tar": "torch"}  # {suffix: package}
PARALLEL_PREFIX = "module."  # what PyTorch's DataParallel puts before every name


def read_checkpoint(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns {name: float array} of a `.pth`, `.pt`, `.tar` or `.safetensors` file, in PyTorch's layout.

    Takes old and new serialisations, `{"epoch", "state_dict"}` or bare tensors, with and without
    "module." before the names.

    Raises:
        UserError: the file is missing or damaged, holds anything but plain tensors, or its reader
            is not installed.
    """
    path = os.fspath(path)
    check_there(path, "a checkpoint")
    read = _read_safetensors if path.endswith(".safetensors") else read_torch
    with local_copy(path) as local:
        arrays = read(local, path)
    names = {name: name.removeprefix(PARALLEL_PREFIX) for name in arrays}
    if len(set(names.values())) < len(names):
        twice = next(name for name in names if PARALLEL_PREFIX + name in names)
        raise UserError(f"{path}: expected every tensor once, got {shown(twice)} and {shown(PARALLEL_PREFIX + twice)}.")
    return {names[name]: array for name, array in arrays.items()}


def check_reader(path: str) -> None:
    """Raises a UserError if the library that reads such a file is not installed; called before a download."""
    check_installed(path, *(package for suffix, package in READERS.items() if path.endswith(suffix)))


def check_there(path: str, what: str) -> None:
    """Raises a UserError if there is no such file, local or remote."""
    if not to_path(path).is_file():
        raise UserError(f"{path}: expected {what}, but it does not exist.")


def _read_safetensors(local: pathlib.Path, path: str) -> dict[str, np.ndarray]:
    safetensors = import_package(path, "safetensors.numpy")
    try:
        found = safetensors.load_file(local)
        wrong = next((name for name, value in found.items() if value.dtype.kind == "c"), None)
        if wrong:
            raise UserError(f"{path}: expected plain tensors, got a complex one as {shown(wrong)}.")
        return {name: np.asarray(value, np.float32) for name, value in found.items()}
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: expected a safetensors file, could not be read: {first_line(error)}") from error
