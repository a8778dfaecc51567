"""One image file -> (H, W, 3) uint8 RGB, or one line that says why not.

OpenCV decodes: it applies the EXIF orientation, brings grayscale, palette and RGBA to three channels
and 16 bit to 8, and is faster than TensorFlow's decoder. `check_image` finds missing and cut-off files
without decoding them, so that a data set knows its size before the first epoch.
"""

import contextlib
import os

import cv2
import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.paths import open_bytes

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG_START_OF_SCAN = 0xDA
_TAIL_BYTES = 64


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Returns the image in a file as (H, W, 3) uint8 RGB, upright.

    EXIF orientation is applied; grayscale is repeated to three channels, the alpha channel is dropped
    and 16-bit values lose their lower byte.

    Raises:
        UserError: the file is missing, cut off, or no image that OpenCV can decode.
    """
    with _opened(path) as file:
        data = file.read()
    return decode_image(data, os.fspath(path))


def decode_image(data: bytes, name: str, upright: bool = True) -> np.ndarray:
    """Returns the image in a file's content as (H, W, 3) uint8 RGB; `upright` applies the EXIF orientation."""
    flags = cv2.IMREAD_COLOR_RGB if upright else cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    if _is_cut_off(data):
        cut_off = f"got one cut off after {len(data)} bytes; fetch it again or remove it."
        raise UserError(f"image {name}: expected a complete file, {cut_off}")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint8:
        problem = f"got {len(data)} bytes that cannot be decoded; convert or remove it."
        raise UserError(f"image {name}: expected a JPEG, PNG, BMP, WebP, GIF or TIFF file, {problem}")
    return image


def check_image(path: str | os.PathLike, decode: bool = False) -> None:
    """Raises where `read_image` would, but looks only at both ends of a JPEG or PNG file.

    With `decode` the whole image is decoded, which also finds damage in its middle.
    """
    if not decode:
        with _opened(path) as file:
            head = file.read(len(PNG_START))
            file.seek(0, os.SEEK_END)
            file.seek(max(len(head), file.tell() - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
        is_whole_jpeg = head.startswith(JPEG_START) and _ends_jpeg(tail)
        if is_whole_jpeg or (head.startswith(PNG_START) and _PNG_END in tail):
            return
    read_image(path)


@contextlib.contextmanager
def _opened(path: str | os.PathLike):
    try:
        with open_bytes(path) as file:
            yield file
    except OSError as error:
        problem = f"got '{error.strerror}'; correct or remove its entry."
        raise UserError(f"image {os.fspath(path)}: expected a readable file, {problem}") from None


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG file ends before its end marker; decoders fill the rest with gray."""
    if data.startswith(PNG_START):
        return _PNG_END not in data[-_TAIL_BYTES:] and _PNG_END not in data
    if not data.startswith(JPEG_START) or _ends_jpeg(data[-_TAIL_BYTES:]):
        return False
    # Something may follow the end marker, and a thumbnail inside a segment has an end marker of its own:
    # walk over the segments to the compressed data, where 0xFF 0xD9 can only be the end.
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position + 1] == _JPEG_START_OF_SCAN:
            return data.find(_JPEG_END, position + length) < 0
        position += length
    return True


def _ends_jpeg(tail: bytes) -> bool:
    return tail.rstrip(b"\0\r\n ").endswith(_JPEG_END)
