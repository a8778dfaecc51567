"""HDF5 files of weights, checked before a tensor is read."""

import math
import os
from typing import BinaryIO

import h5py

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.archive import most_bytes_of

_MOST_OBJECTS = 200_000
_KINDS = "biufV"  # booleans, numbers, and bfloat16, which h5py gives as raw bytes
_LONGEST_DTYPE = 16


def check_h5(file: str | os.PathLike | BinaryIO, size: int, path: str) -> None:
    """Raises a UserError if a file of weights links to other files or declares tensors that it does not contain.

    HDF5 allows both: data in any other file, and terabytes that are declared in a few bytes.

    Args:
        file: local path or file object.
        size: of the file in bytes.
        path: for messages.
    """
    try:
        with h5py.File(file, "r") as content:
            total = sum(_size_of(dataset, name, path) for name, dataset in _datasets(content, path))
    except UserError:
        raise
    except Exception as error:  # h5py raises many kinds for damaged files
        raise UserError(f"{path}: expected a file of weights, it is damaged: {first_line(error)}") from None
    if total > most_bytes_of(size):
        most = most_bytes_of(size)
        raise UserError(f"{path}: expected tensors of at most {most} bytes in a file of {size}, got {total}.")


def _datasets(file: h5py.File, path: str):
    """Yields (name, dataset) of all datasets in a file; a link, or a group inside itself, is refused."""
    seen, groups = {_number(file["/"])}, [("", file)]
    while groups:
        place, group = groups.pop()
        for key in group:
            name = f"{place}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise UserError(f"{path}: expected tensors of its own, got a link as {shown(name)}; do not use it.")
            one = group[key]
            number = _number(one)
            if number in seen or len(seen) > _MOST_OBJECTS:
                raise UserError(f"{path}: expected a tree of tensors, got {shown(name)} a second time.")
            seen.add(number)
            if isinstance(one, h5py.Group):
                groups.append((name, one))
            elif isinstance(one, h5py.Dataset):
                yield name, one


def _size_of(dataset: h5py.Dataset, name: str, path: str) -> int:
    if dataset.external or dataset.is_virtual:
        raise UserError(f"{path}: expected tensors of its own, got {shown(name)} of another file; do not use it.")
    if dataset.dtype.kind not in _KINDS or dataset.dtype.itemsize > _LONGEST_DTYPE:
        raise UserError(f"{path}: expected tensors of numbers, got {shown(name)} of type {shown(dataset.dtype)}.")
    values = max(math.prod(shape or ()) for shape in (dataset.shape, dataset.chunks))  # a chunk is read as a whole
    return values * dataset.dtype.itemsize


def _number(one: h5py.Group | h5py.Dataset) -> int:
    """Returns the address of a group or dataset, which no other one in the file has."""
    return h5py.h5o.get_info(one.id).addr
