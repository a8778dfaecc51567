"""Images on which the ranges of a quantised network are measured."""

import itertools
import os
import warnings
from collections.abc import Iterable

import numpy as np

from keras_centernet.data.images import IMAGE_SUFFIXES, read_image
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.exporting.agreement import letterboxed
from keras_centernet.files.paths import AnyPath, to_path

ENOUGH = 100  # images; fewer miss ranges that later images reach
AT_MOST = 300  # more cost minutes and change nothing
ACCEPTED = "a folder of images, a data set of load_dataset, or (H, W, 3) uint8 images"


def calibration_images(calibration: str | os.PathLike | Iterable | None, input_hw: tuple[int, int]) -> np.ndarray:
    """Returns (N, H, W, 3) uint8 inputs, letterboxed as `model.detect` does, N at most 300; warns if N is below 100.

    One pixel of the first becomes black and one white: without the whole range 0..255 the uint8 input of the
    quantised network would not represent the image's own values, which costs most of its accuracy.

    Args:
        calibration: a folder (its image files at any depth, at most 300, evenly spaced); a `tf.data.Dataset` of
            `load_dataset` batches; an (N, H, W, 3) uint8 array or an iterable of (H, W, 3) uint8 images of any sizes.
        input_hw: (H, W) of the network's input.

    Raises:
        UserError: there is no image, or one that cannot be read.
    """
    images = [_fit(image, input_hw) for image in itertools.islice(_source(calibration), AT_MOST)]
    if not images:
        raise UserError(f"calibration: expected {ACCEPTED}, got no image; {ENOUGH} or more are wanted.")
    if len(images) < ENOUGH:
        few = f"calibration: {len(images)} image(s); expected at least {ENOUGH}. Ranges that they do not reach are cut."
        warnings.warn(few, DataWarning, stacklevel=2)
    images = np.stack(images)
    images[0, 0, 0], images[0, -1, -1] = 0, 255
    return images


def read_some(source: str | os.PathLike | Iterable | None, count: int, what: str = "calibration") -> list[np.ndarray]:
    """Returns at most `count` images, in their own sizes, of a source for `calibration_images`; errors name `what`."""
    images = list(itertools.islice(_source(source, what, count), count))
    if not images:
        raise UserError(f"{what}: expected {ACCEPTED}, got no image.")
    return images


def _source(calibration, what: str = "calibration", at_most: int = AT_MOST) -> Iterable[np.ndarray]:
    if calibration is None:
        raise UserError(f"calibration: expected {ACCEPTED}, got None.")
    if isinstance(calibration, str | os.PathLike):
        return (read_image(path) for path in _image_files(to_path(calibration), what, at_most))
    if hasattr(calibration, "element_spec"):  # a tf.data.Dataset
        return (image for images, _ in calibration.as_numpy_iterator() for image in images)
    if not isinstance(calibration, Iterable):
        raise UserError(f"calibration: expected {ACCEPTED}, got {type(calibration).__name__}.")
    return calibration


def _image_files(folder: AnyPath, what: str, at_most: int) -> list[AnyPath]:
    if not folder.is_dir():
        raise UserError(f"{what} {folder}: expected a folder of images, got no folder.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return [files[i * len(files) // at_most] for i in range(at_most)] if len(files) > at_most else files


def _fit(image, input_hw) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise UserError(f"calibration: expected {ACCEPTED}, got an array of {image.dtype} {image.shape}.")
    return letterboxed(image, input_hw)
