"""One image file -> (H, W, 3) uint8 RGB, or an error of one line that says why not.

OpenCV decodes: it converts grayscale, palette and RGBA images to three channels and is faster than TensorFlow's
decoder. EXIF orientation is applied here, because versions of OpenCV differ in the formats for which they apply it.
`read_header` and `check_image` find image sizes and missing or cut-off files without decoding, so that the number of
usable images is known before the first epoch.
"""

import contextlib
import io
import os

import cv2
import numpy as np

from keras_centernet.data.image_headers import (
    JPEG_START,
    MAX_PIXELS,
    MOST_PARTS,
    MOST_SCANS,
    PNG_START,
    ImageHeader,
    parse_header,
)
from keras_centernet.data.image_headers.others import parse_other_size
from keras_centernet.errors import UserError
from keras_centernet.files.paths import open_bytes
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.special import special_kind

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_START_OF_SCAN = 0xDA
_TAIL_BYTES = 64
_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_START_OF_SCAN = b"\xff\xda"
_BYTES_PER_PIXEL = 8  # of the largest files that are read: four channels of 16 bits
# EXIF orientations: from 5 on the image is transposed first; then `cv2.flip` gets this code.
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


def read_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Returns the image in a file as (H, W, 3) uint8 RGB, upright.

    EXIF orientation is applied; grayscale is repeated to three channels and the alpha channel is dropped. Values of
    more than 8 bits are scaled so that white becomes 255. White is the value that the file states (PNG's sBIT, TIFF's
    SMaxSampleValue or MaxSampleValue), else the largest value of the smallest bit depth (8, 10, 12, 14 or 16) that
    holds all values of the image. Floating-point values must be from 0 to 1.

    Raises:
        UserError: the file is missing, not a regular file, cut off, not an image that OpenCV can decode, or its header
            promises more than `max_pixels`.
    """
    with _opened(path) as file:
        data = _read(file, os.fspath(path), max_pixels)
    return decode_image(data, os.fspath(path), max_pixels=max_pixels)


def decode_image(data: bytes, name: str, upright: bool = True, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Returns the image in a file's content as `read_image` does; `upright` applies the EXIF orientation."""
    return _decode(data, name, upright, max_pixels)[0]


def read_header(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Returns the size and orientation of an image file without decoding it.

    A file whose header `parse_header` does not understand is decoded.

    Raises:
        UserError: in the cases in which `read_image` raises, as far as the header shows them.
    """
    with _opened(path) as file:
        header = parse_header(file)
    if header is None:
        return check_image(path, decode=True, max_pixels=max_pixels)
    _check_pixels(header.stored_hw, os.fspath(path), max_pixels)
    return header


def check_image(path: str | os.PathLike, decode: bool = False, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Returns the header of a file once the file is known to be complete; raises the errors of `read_image`.

    A JPEG or PNG file with its end marker counts as complete; all other files are decoded. With `decode`, every file is
    decoded, which also finds damage in its middle.
    """
    with _opened(path) as file:
        if not decode:
            header = parse_header(file)
            start, tail = _ends_of(file)
            is_whole_jpeg = start.startswith(JPEG_START) and _ends_jpeg(tail)
            if header and (is_whole_jpeg or (start.startswith(PNG_START) and _PNG_END in tail)):
                _check_pixels(header.stored_hw, os.fspath(path), max_pixels)
                return header
        data = _read(file, os.fspath(path), max_pixels)
    return _decode(data, os.fspath(path), True, max_pixels)[1]


def _decode(data: bytes, name: str, upright: bool, max_pixels: int) -> tuple[np.ndarray, ImageHeader]:
    if _is_cut_off(data):
        cut_off = f"got one cut off after {len(data)} bytes; fetch it again or remove it."
        raise UserError(f"image {name}: expected a complete file, {cut_off}")
    header = parse_header(io.BytesIO(data))
    stored_hw = header.stored_hw if header else parse_other_size(io.BytesIO(data))
    if stored_hw is None or (data.startswith(JPEG_START) and data.count(_START_OF_SCAN) > MOST_SCANS):
        raise _undecodable(data, name)  # decoding could take any amount of memory or time
    _check_pixels(stored_hw, name, max_pixels)
    flags = _AS_STORED if header or not upright else cv2.IMREAD_COLOR_RGB
    flags = cv2.IMREAD_UNCHANGED if header and header.tops else flags
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise _undecodable(data, name)
    if header and header.tops:
        image = _to_bytes(_to_rgb(image), header, name)
    if header and upright and not header.is_turned:
        image = _turn(image, header.orientation)
    if header is None or (upright and header.hw != image.shape[:2]):
        header = ImageHeader(image.shape[:2])
        _check_pixels(header.stored_hw, name, max_pixels)
    return image, header


def _undecodable(data: bytes, name: str) -> UserError:
    problem = f"got {len(data)} bytes that cannot be decoded; convert or remove it."
    return UserError(f"image {name}: expected a JPEG, PNG, BMP, WebP, GIF or TIFF file, {problem}")


def _check_pixels(stored_hw: tuple[int, int], name: str, max_pixels: int) -> None:
    height, width = stored_hw
    if height * width > max_pixels:
        problem = f"got {width} x {height}; remove or shrink it, or raise --max-pixels."
        raise UserError(f"image {name}: expected at most {max_pixels} pixels, {problem}")


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """(H, W), BGR or BGRA -> RGB."""
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image[..., 2::-1]


def _to_bytes(image: np.ndarray, header: ImageHeader, name: str) -> np.ndarray:
    """Returns an image of more than 8 bits as uint8, white as 255."""
    if image.dtype == np.uint8:  # for some rare kinds OpenCV returns only the upper byte
        return np.ascontiguousarray(image)
    least, most = image.min(), image.max()
    if image.dtype == np.uint16:
        top = next(top for top in header.tops if top >= most)
    elif image.dtype.kind == "f" and least >= 0 and most <= 1:
        top, image = 1, image.astype(np.float32)
    else:
        expected = "expected values of 8 or 16 bits without sign, or from 0 to 1"
        problem = f"got {image.dtype} from {least:g} to {most:g}; convert or remove it."
        raise UserError(f"image {name}: {expected}, {problem}")
    scaled = cv2.convertScaleAbs(np.ascontiguousarray(image), alpha=255 / top)
    return 255 - scaled if header.is_negative else scaled


def _turn(image: np.ndarray, orientation: int) -> np.ndarray:
    image = cv2.transpose(image) if orientation >= 5 else image
    return cv2.flip(image, _FLIPS[orientation]) if orientation in _FLIPS else image


@contextlib.contextmanager
def _opened(path: str | os.PathLike):
    try:
        special = None if is_remote(path) else special_kind(path)
        if special is None:
            with open_bytes(path) as file:
                yield file
            return
    except OSError as error:
        special = f"'{error.strerror}'"
    problem = f"got {special}; correct the path; if a label file names it, correct or remove its entry."
    raise UserError(f"image {os.fspath(path)}: expected a readable file, {problem}")


def _read(file, name: str, max_pixels: int) -> bytes:
    file.seek(0, os.SEEK_END)
    size, most = file.tell(), _BYTES_PER_PIXEL * max(max_pixels, MAX_PIXELS)
    if size > most:
        problem = f"got one of {size}; remove or shrink it, or raise --max-pixels."
        raise UserError(f"image {name}: expected a file of at most {most} bytes, {problem}")
    file.seek(0)
    return file.read(most)


def _ends_of(file) -> tuple[bytes, bytes]:
    file.seek(0)
    start = file.read(len(PNG_START))
    file.seek(0, os.SEEK_END)
    file.seek(max(len(start), file.tell() - _TAIL_BYTES))
    return start, file.read(_TAIL_BYTES)


def _is_cut_off(data: bytes) -> bool:
    """Returns whether a JPEG or PNG file lacks its end marker; decoders would fill the missing part with grey."""
    if data.startswith(PNG_START):
        return _PNG_END not in data[-_TAIL_BYTES:] and _PNG_END not in data
    if not data.startswith(JPEG_START) or _ends_jpeg(data[-_TAIL_BYTES:]):
        return False
    # Other bytes can follow the end marker, and a thumbnail inside a segment has its own end marker. So skip the
    # segments up to the compressed data, in which 0xFF 0xD9 can only be the end.
    position = 2
    for _ in range(MOST_PARTS):
        if position + 4 > len(data) or data[position] != 0xFF:
            break
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position + 1] == _JPEG_START_OF_SCAN:
            return data.find(_JPEG_END, position + length) < 0
        position += length
    return True


def _ends_jpeg(tail: bytes) -> bool:
    return tail.rstrip(b"\0\r\n ").endswith(_JPEG_END)
