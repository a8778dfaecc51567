"""PyTorch checkpoints and safetensors files -> NumPy arrays, without running any code of the file."""

import os
import pathlib
import pickle
import warnings

import numpy as np

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import to_path

WRAPPERS = ("state_dict",)  # keys under which training scripts keep the tensors
PARALLEL_PREFIX = "module."  # what PyTorch's DataParallel puts before every name


def read_checkpoint(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns {name: float array} of a `.pth`, `.pt`, `.tar` or `.safetensors` file, in PyTorch's layout.

    Takes old and new serialisations, `{"epoch", "state_dict"}` or bare tensors, with and without
    "module." before the names.

    Raises:
        UserError: the file is missing or damaged, holds anything but tensors, or its reader
            (`pip install "keras_centernet[torch]"` or `[safetensors]`) is not installed.
    """
    path = os.fspath(path)
    check_there(path, "a checkpoint")
    read = _read_safetensors if path.endswith(".safetensors") else _read_torch
    with local_copy(path) as local:
        return {name.removeprefix(PARALLEL_PREFIX): array for name, array in read(local, path).items()}


def check_there(path: str, what: str) -> None:
    """Raises a UserError where there is no such file, local or remote."""
    if not to_path(path).is_file():
        raise UserError(f"{path}: expected {what}, but it does not exist.")


def _read_torch(local: pathlib.Path, path: str) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f'{path}: reading it needs PyTorch. Run `pip install "keras_centernet[torch]"`, or turn the file into '
            "a .safetensors file where PyTorch is."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols
            content = torch.load(local, map_location="cpu", weights_only=True)  # never runs code from the file
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: expected a PyTorch checkpoint with nothing but tensors and numbers; refused, because it is "
            f"damaged or holds code: {first_line(error)}"
        ) from error
    except Exception as error:  # PyTorch raises many kinds for damaged files
        raise UserError(f"{path}: expected a PyTorch checkpoint, it is damaged: {first_line(error)}") from error
    for key in WRAPPERS:
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not content or not all(torch.is_tensor(v) for v in content.values()):
        got = f"a {type(content).__name__}"
        if isinstance(content, dict):
            got = f"a dict of {', '.join(map(str, list(content)[:5])) or 'nothing'}"
        raise UserError(f"{path}: expected tensors by name, or a dict with 'state_dict', got {got}.")
    return {name: value.float().numpy() for name, value in content.items()}


def _read_safetensors(local: pathlib.Path, path: str) -> dict[str, np.ndarray]:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise UserError(
            f'{path}: reading it needs safetensors. Run `pip install "keras_centernet[safetensors]"`.'
        ) from error
    try:
        return {name: np.asarray(value, np.float32) for name, value in load_file(local).items()}
    except Exception as error:
        raise UserError(f"{path}: expected a safetensors file, could not be read: {first_line(error)}") from error
