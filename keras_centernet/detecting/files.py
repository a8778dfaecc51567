"""Detects in image files and in the frames of videos, with the options of the command `predict`."""

import collections
import contextlib
import errno
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_centernet.detecting.sources import name_of, stem_of
from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_output
from keras_centernet.files.paths import AnyPath, to_path

if TYPE_CHECKING:  # it imports Keras
    from keras_centernet.detecting.detections import Detections


def itself(found: "Detections") -> "Detections":
    """Returns all detections of an image."""
    return found


@dataclass(frozen=True)
class FileDetector:
    """A model and the options with which it detects.

    Attributes:
        model: `CenterNet`.
        threshold: lowest score that is kept; None: the model's `thresholds`.
        batch_size: images at a time.
        calibration: file in KITTI's format, or a folder of them named like the images; None: no calibration.
        frames: how many frames of a video are read; None: all.
        select: function of the `Detections` of an image -> those that are kept.
        every: n; only every n-th frame of a video goes through the network and into the results.
        track: whether the objects that `select` keeps are tracked, see `CenterNet.detect`.
    """

    model: Any
    threshold: float | None
    batch_size: int
    calibration: str | None = None
    frames: int | None = None
    select: Callable = itself
    every: int = 1
    track: bool = False

    def in_images(self, images: Sequence[AnyPath | str], drawings: Mapping | None = None) -> Iterator[tuple]:
        """Yields (image, `Detections`) of each image in order, or (image, UserError) if it cannot be read.

        Reading, the network and drawing run at the same time, each a few images ahead of the next.

        Args:
            images: files and web addresses.
            drawings: {image: path of its copy with the detections drawn on it}; images without a path are not drawn.
        """
        drawings = drawings or {}

        def drawn(pair):
            image, found = pair
            if image in drawings and not isinstance(found, UserError):
                found.draw(drawings[image])
            return pair

        yield from self._ahead(drawn, self._with_images(images))

    def in_frames(
        self, video: str | int, frames: Iterable, rate: float, drawing: AnyPath | None, look: Callable = itself
    ) -> Iterator[dict]:
        """Yields `Detections.to_dict` of each frame, with the "path" of the video and the number of the "frame".

        Args:
            video: file, address or number of a webcam.
            frames: its images, (H, W, 3) uint8 RGB.
            rate: frames per second of the drawn video.
            drawing: .mp4 file to write, with the detections drawn on its frames; None: no file.
            look: function that is called with the `Detections` of each frame.
        """
        camera = self._camera(video)  # not in the generator: a wrong calibration raises at once
        chosen = itertools.islice(frames, 0, self.frames, self.every)
        return self._in_frames(video, chosen, rate / self.every, drawing, camera, look)

    def _in_frames(self, video, frames: Iterable, rate: float, drawing: AnyPath | None, camera, look) -> Iterator[dict]:
        from keras_centernet.detecting.kinds import frame_item

        def drawn(found):
            return found, found.draw() if drawing else None

        items = ((frame_item(video, frame, rate), camera) for frame in frames)
        with (
            _film(drawing, rate) as append,
            contextlib.closing(self._ahead(drawn, self._in_items(items))) as finished,
        ):
            for number, (found, image) in enumerate(finished):
                look(found)
                append(image)
                yield found.to_dict() | {"path": str(video), "frame": number * self.every}

    def _with_images(self, images: Sequence) -> Iterator[tuple]:
        from keras_centernet.detecting.kinds import image_item

        items = ((image_item(image, is_one_of_many=True), self._camera(image)) for image in images)
        with contextlib.closing(self._in_items(items)) as found:
            yield from zip(images, found, strict=True)

    def _in_items(self, items: Iterable[tuple]) -> Iterator:
        from keras_centernet.detecting.thresholds import lowest_scores
        from keras_centernet.detecting.tracking import track_items

        found = self._selected(items)
        if self.track:
            found = track_items(found, lowest_scores(self.model, self.threshold))
        with contextlib.closing(found):
            for _, one in found:
                yield one

    def _selected(self, items: Iterable[tuple]) -> Iterator[tuple]:
        from keras_centernet.detecting.stream import detect_items
        from keras_centernet.detecting.tracking import lowest_asked

        threshold = lowest_asked(self.model, self.threshold, self.track)
        found = detect_items(self.model, self.model.detect_batch, items, threshold, self.batch_size)
        with contextlib.closing(found):
            for item, one in found:
                yield item, one if isinstance(one, UserError) else self.select(one)

    def _ahead(self, function: Callable, found: Iterator) -> Iterator:
        """Yields `function` of each element, computed in other threads while the next images are in the network."""
        from keras_centernet.detecting.ahead import map_ahead

        with contextlib.closing(map_ahead(function, found, self.batch_size)) as finished:
            yield from finished

    def _camera(self, image: AnyPath | str | int) -> np.ndarray | None:
        """Returns the matrix of the calibration file, or of the file in its folder that has the stem of the input."""
        from keras_centernet.camera import read_calibration

        if not self.calibration:
            return None
        file = to_path(self.calibration)
        return read_calibration(file / f"{stem_of(image)}.txt" if file.is_dir() else file)


def drawing_name(image: AnyPath | str) -> str:
    """Returns the name of an image's drawn copy, with a suffix that can be written."""
    from keras_centernet.drawing.image_file import SUFFIXES  # not above: it imports Keras

    name = pathlib.PurePath(name_of(image))
    return name.name if name.suffix.lower() in SUFFIXES else f"{name.stem}.png"


def unique_names(names: dict) -> dict:
    """Returns {key: name} with equal names, as of files from different folders, numbered: a.jpg, a_2.jpg, ...

    Names that differ only in case count as equal, as they are on some file systems.
    """
    unique, taken, numbers = {}, set(), collections.Counter()
    for key, name in names.items():
        path = pathlib.PurePath(name)
        free = name
        while free.lower() in taken:
            numbers[name.lower()] += 1
            free = f"{path.stem}_{numbers[name.lower()] + 1}{path.suffix}"
        taken.add(free.lower())
        unique[key] = free
    return unique


@contextlib.contextmanager
def _film(path: AnyPath | None, rate: float) -> Iterator[Callable]:
    """Returns a context with a function that appends (H, W, 3) uint8 RGB frames to a video; a no-op without a path."""
    if path is None:
        yield lambda drawn: None
        return
    import cv2

    writer, count = None, 0
    with local_output(path) as target:

        def append(drawn) -> None:
            nonlocal writer, count
            count += 1
            if writer is None:
                size_wh = (drawn.shape[1], drawn.shape[0])
                writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), rate, size_wh)
            writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))

        try:
            yield append
        finally:
            if writer is not None:
                writer.release()
                _check_film(target, count)


def _check_film(path: pathlib.Path, count: int) -> None:
    """Raises an OSError if frames are missing in the file: OpenCV does not report failed writes."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    written = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    if written < count:
        raise OSError(errno.ENOSPC, f"{count} frames, of which {written} arrived: the disk may be full")
