"""Images as arrays and as files."""

import os

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.paths import to_path

SUFFIXES = (".jpg", ".jpeg", ".png")
JPEG_QUALITY = 95


def write_image(image: np.ndarray, path: str | os.PathLike) -> None:
    """Writes an image (H, W, 3) uint8 RGB as JPEG or PNG, depending on the suffix, into an existing folder.

    Raises:
        UserError: another suffix, or a file that cannot be written.
    """
    import cv2

    path = to_path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: expected an image's suffix, one of {', '.join(SUFFIXES)}; got {path.suffix!r}.")
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, encoded = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)
    write_whole(path, lambda beside: beside.write_bytes(encoded.tobytes()))


def check_rgb(image: object, where: str) -> None:
    """Raises a UserError unless `image` is a (H, W, 3) uint8 array with at least one pixel."""
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise UserError(f"{where}: image must be (H, W, 3) uint8 RGB, got shape {array.shape} and dtype {array.dtype}.")
