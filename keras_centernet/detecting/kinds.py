"""The kinds of source that `detect` takes, one table row each, and the images that a source stands for."""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np

from keras_centernet.data.images import decode_image, read_image
from keras_centernet.detecting.sources import (
    CAMERA,
    VIDEO_SUFFIXES,
    WEB,
    WEBCAM,
    find_inputs,
    is_web_image,
    read_frames,
)
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.texts import shorten

WEB_SECONDS = 30  # that a server may take to answer
LARGEST_BYTES = 2**30  # of an image from the web
GLOB = re.compile(r"[*?\[]")


class Item(NamedTuple):
    """One image of a source, not read yet.

    Attributes:
        load: function that returns it, (H, W, 3) uint8 RGB; called in another thread.
        path: where it comes from, or None.
        is_live: whether the next image can take long to come, so that this one must not wait for a full batch.
        is_one_of_many: whether an image that cannot be read is skipped and counted; else it is an error.
        rate: frames per second of the video or camera that it is a frame of; None: it is no frame.
    """

    load: Callable[[], np.ndarray]
    path: str | None = None
    is_live: bool = False
    is_one_of_many: bool = False
    rate: float | None = None

    @property
    def sequence(self) -> str:
        """The video or the folder of the image: objects are tracked over images that have it in common."""
        path = self.path or ""
        return path if self.rate else os.path.dirname(path)


class Kind(NamedTuple):
    """One row: whether a source is of this kind, and how its items are listed."""

    fits: Callable[[object], bool]
    items: Callable[[object], Iterator[Item]]


def list_items(source: object) -> Iterator[Item]:
    """Yields the images that a source stands for, in order; see `CenterNet.detect` for what it may be."""
    for kind in KINDS.values():
        if kind.fits(source):
            yield from kind.items(source)
            return
    raise _stranger(source)


def _video_items(video) -> Iterator[Item]:
    with read_frames(video) as (rate, frames):
        for frame in frames:
            yield frame_item(video, frame, rate)


def frame_item(video: str | int, frame: np.ndarray, rate: float) -> Item:
    """Returns the item of a frame that was read from a video or a camera."""
    is_live = isinstance(video, int) or CAMERA.match(str(video)) is not None
    return Item(lambda: frame, str(video), is_live, rate=rate)


def _webcam_items(number) -> Iterator[Item]:
    return _video_items(int(number))


def _web_items(address: str) -> Iterator[Item]:
    yield from [image_item(address)] if is_web_image(address) else _video_items(address)


def image_item(image: AnyPath | str, is_one_of_many: bool = False) -> Item:
    """Returns the item of an image file, or of the address of one."""
    is_from_web = isinstance(image, str) and WEB.match(image) is not None
    load = (lambda: decode_image(fetch(image), image)) if is_from_web else (lambda: read_image(image))
    return Item(load, str(image), is_one_of_many=is_one_of_many)


def _path_items(source) -> Iterator[Item]:
    text = os.fspath(source)
    path = to_path(text)
    is_many = path.is_dir() or (GLOB.search(text) is not None and not path.exists())
    if not is_many:
        is_video = text.lower().endswith(VIDEO_SUFFIXES)
        yield from _video_items(text) if is_video else [image_item(text)]
        return
    images, videos = find_inputs([text])
    for image in images:
        yield image_item(image, is_one_of_many=True)
    for video in videos:
        yield from _video_items(video)


def _pillow_items(image) -> Iterator[Item]:
    yield Item(lambda: np.asarray(image.convert("RGB")), getattr(image, "filename", None) or None)


def _array_items(array) -> Iterator[Item]:
    values = keras.ops.convert_to_numpy(array) if keras.ops.is_tensor(array) else np.asarray(array)
    images = values if values.ndim == 4 else [values]
    for image in images:
        checked = _check_array(image, array)
        yield Item(lambda checked=checked: checked)


def _check_array(image: np.ndarray, given) -> np.ndarray:
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise UserError(
            "detect: expected a path, a PIL image or a (H, W, 3) uint8 RGB array, or a batch of them, got "
            f"{type(given).__name__} of shape {image.shape} and dtype {image.dtype}."
        )
    return image


def _nested_items(source) -> Iterator[Item]:
    for entry in source:
        yield from list_items(entry)


def fetch(address: str) -> bytes:
    """Returns the content at a web address.

    Raises:
        UserError: the server gives no answer, answers with an error, or the file is too large.
    """
    try:
        with urllib.request.urlopen(address, timeout=WEB_SECONDS) as answer:
            content = answer.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # an HTTPError is also an open response
        advice = "check the address, or fetch the file yourself and name that"
        raise UserError(f"{shorten(address)}: expected an image from the web: {first_line(error)}; {advice}.") from None
    if len(content) > LARGEST_BYTES:
        raise UserError(f"{shorten(address)}: expected a file of at most {LARGEST_BYTES} bytes, got a larger one.")
    return content


def _stranger(source) -> UserError:
    kinds = "a path, an address, a webcam's number, an image, a batch, or several of them"
    return UserError(f"detect: expected {kinds}; got {type(source).__name__}.")


def _is_text(source) -> bool:
    return isinstance(source, str)


# The first row that fits is taken.
KINDS = {
    "webcam": Kind(
        lambda one: (type(one) is int and one >= 0) or (_is_text(one) and bool(WEBCAM.fullmatch(one))), _webcam_items
    ),
    "camera's address": Kind(lambda one: _is_text(one) and bool(CAMERA.match(one)), _video_items),
    "web address": Kind(lambda one: _is_text(one) and bool(WEB.match(one)), _web_items),
    "path": Kind(lambda one: isinstance(one, str | os.PathLike), _path_items),
    "Pillow's image": Kind(lambda one: hasattr(one, "convert"), _pillow_items),
    "array": Kind(lambda one: hasattr(one, "__array__"), _array_items),
    "several": Kind(lambda one: hasattr(one, "__iter__") and not isinstance(one, bytes | dict), _nested_items),
}
