"""Reads NumPy's archives of arrays without running code, and with memory bounded by the file's size."""

import io
import math
import zipfile

import numpy as np

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.archive import DAMAGES, most_bytes_of

_SUFFIX = ".npy"
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_KINDS = "biufU"  # booleans, numbers and texts
_LONGEST_DTYPE = 4096  # bytes of a text


def read_npz(content: bytes, path: str) -> dict[str, np.ndarray]:
    """Returns {name: array of numbers, booleans or texts} from the bytes of an .npz file.

    Args:
        content: of the file.
        path: for messages.

    Raises:
        UserError: the file is damaged, or an array has another type or a size that its header does not declare.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > most_bytes_of(len(content)):
                raise ValueError("an archive that unpacks to far more than its size")
            return {name.removesuffix(_SUFFIX): _read_array(archive.read(name), name) for name in archive.namelist()}
    except DAMAGES as error:
        raise UserError(f"{path}: expected arrays of numbers and texts, got {first_line(error)}.") from None


def _read_array(data: bytes, name: str) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"version {version} of {shown(name)}")
    try:
        shape, is_by_columns, dtype = _READERS[version](stream)
    except Exception as error:  # of Python's tokenizer and parser, too
        raise ValueError(f"{shown(name)} of no known shape ({first_line(error)})") from None
    if dtype.kind not in _KINDS or dtype.itemsize > _LONGEST_DTYPE:
        raise ValueError(f"{shown(name)} of type {shown(dtype)}")
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell() or any(side < 0 for side in shape):
        raise ValueError(f"{shown(name)} of shape {shown(shape)} in {len(data)} bytes")
    array = np.frombuffer(data, dtype, offset=stream.tell())
    return array.reshape(shape, order="F" if is_by_columns else "C").copy()
