"""PyTorch's files -> NumPy arrays: only plain tensors whose values the file holds, and no code."""

import os
import pathlib
import pickle
import warnings
import zipfile

import numpy as np

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.archive import check_archive, most_bytes_of
from keras_centernet.packages import import_package

WRAPPERS = ("state_dict",)  # keys under which training scripts keep the tensors
_FLOAT_BYTES = 4


def read_torch(local: pathlib.Path, path: str) -> dict[str, np.ndarray]:
    """Returns {name: float32 array} of a file of `torch.save`, old or new.

    Parameters count as tensors, and quantised tensors are dequantised.

    Args:
        local: the file.
        path: of the file, for messages.

    Raises:
        UserError: PyTorch is not installed, the file is damaged, or holds code or anything but named tensors, or a
            tensor is not plain or declares more values than the file can hold.
    """
    torch = import_package(path, "torch", otherwise="turn the file into a .safetensors file where PyTorch is")
    content = _load(torch, local, path)
    for key in WRAPPERS:
        content = content.get(key, content) if isinstance(content, dict) else content
    names = list(content) if isinstance(content, dict) else []
    if not names or not all(isinstance(name, str) and torch.is_tensor(content[name]) for name in names):
        raise UserError(f"{path}: expected tensors by name, or a dict with 'state_dict', got {_describe(content)}.")
    left = most_bytes_of(os.path.getsize(local))
    for name in names:
        _check_plain(torch, content[name], name, path)
        left -= content[name].numel() * _FLOAT_BYTES
        if left < 0:
            found = f"{shown(name)} of shape {tuple(content[name].shape)}"
            raise UserError(f"{path}: expected tensors that the file's size can hold, got {found}.")
    return {name: _to_array(content[name]) for name in names}


def _load(torch, local: pathlib.Path, path: str):
    try:
        if zipfile.is_zipfile(local):
            with zipfile.ZipFile(local) as archive:
                check_archive(archive, local, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickle protocols
            return torch.load(local, map_location="cpu", weights_only=True)  # never runs code from the file
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: expected a PyTorch checkpoint with nothing but tensors and numbers; refused, because it is "
            f"damaged or holds code: {first_line(error)}"
        ) from error
    except Exception as error:  # PyTorch raises many kinds for damaged files
        raise UserError(f"{path}: expected a PyTorch checkpoint, it is damaged: {first_line(error)}") from error


def _check_plain(torch, tensor, name: str, path: str) -> None:
    """Raises a UserError unless a tensor is dense and real and has its values in memory."""
    kinds = {
        "one without values (meta)": tensor.is_meta,
        "a sparse one": not tensor.is_nested and tensor.layout != torch.strided,
        "a nested one": tensor.is_nested,
        "a complex one": tensor.is_complex(),
    }
    found = next((kind for kind, is_one in kinds.items() if is_one), None)
    if found:
        raise UserError(f"{path}: expected plain tensors, got {found} as {shown(name)}; save `tensor.to_dense()`.")


def _to_array(tensor) -> np.ndarray:
    values = tensor.detach().dequantize() if tensor.is_quantized else tensor.detach()
    return values.resolve_neg().float().numpy()


def _describe(content) -> str:
    """Returns what a file holds, without printing its values, which can be huge."""
    if not isinstance(content, dict):
        return f"a {type(content).__name__}"
    others = [f"{type(key).__name__}: {type(value).__name__}" for key, value in content.items()]
    texts = [key for key in content if isinstance(key, str)]
    if len(texts) == len(content):
        return f"a dict of {', '.join(map(shown, texts[:5])) or 'nothing'}"
    return f"a dict of {', '.join(dict.fromkeys(others[:1000]))}"
