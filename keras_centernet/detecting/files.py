"""Detecting in image files and in the frames of videos, with the options of `predict`."""

import collections
import contextlib
import errno
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_output
from keras_centernet.files.paths import AnyPath, map_files, to_path


def itself(found):
    """Returns all detections of an image."""
    return found


@dataclass(frozen=True)
class FileDetector:
    """A model and how it is used.

    Attributes:
        model: `CenterNet`.
        threshold: lowest score that is kept.
        batch_size: images at a time.
        calibration: file in KITTI's format, or a folder of them named like the images; None: none.
        frames: how many frames of a video are read; None: all.
        select: function of the `Detections` of an image -> those that are kept.
        every: of a video, one frame of so many goes through the network; only those are in the results.
    """

    model: Any
    threshold: float | None
    batch_size: int
    calibration: str | None = None
    frames: int | None = None
    select: Callable = itself
    every: int = 1

    def in_images(self, paths: Sequence[AnyPath]) -> Iterator[tuple]:
        """Yields (path, `Detections`) of each image file in order, (path, UserError) where it cannot be read."""
        for start in range(0, len(paths), self.batch_size):
            batch = paths[start : start + self.batch_size]
            images = list(map_files(_read, batch))
            found = iter(self._in_readable(batch, images))
            for path, image in zip(batch, images, strict=True):
                yield path, image if isinstance(image, UserError) else next(found)

    def in_frames(
        self, video: str | int, frames: Iterable, rate: float, drawing: AnyPath | None, look: Callable = itself
    ) -> Iterator[dict]:
        """Yields `Detections.to_dict` of each frame, with the "path" of the video and the number of the "frame".

        Args:
            video: file or number of a webcam.
            frames: its images, (H, W, 3) uint8 RGB.
            rate: frames per second of the drawn video.
            drawing: .mp4 file to write, with what was found drawn into it; None: none.
            look: function that is called with the `Detections` of each frame.
        """
        camera = self._camera(to_path(str(video)))  # here and not in the generator: a wrong one is said at once
        return self._in_frames(video, itertools.islice(frames, self.frames), rate / self.every, drawing, camera, look)

    def _in_readable(self, paths: Sequence[AnyPath], images: Sequence) -> list:
        readable = [(path, image) for path, image in zip(paths, images, strict=True) if isinstance(image, np.ndarray)]
        cameras = [self._camera(path) for path, _ in readable] if self.calibration else None
        options = {"threshold": self.threshold, "batch_size": self.batch_size}
        found = self.model.detect([image for _, image in readable], cameras, **options)
        for (path, _), one in zip(readable, found, strict=True):
            one.path = str(path)
        return [self.select(one) for one in found]

    def _in_frames(self, video, frames: Iterable, rate: float, drawing: AnyPath | None, camera, look) -> Iterator[dict]:
        with _film(drawing, rate) as append:
            for index, frame in itertools.islice(enumerate(frames), 0, None, self.every):
                (found,) = self.model.detect([frame], camera, threshold=self.threshold)
                found = self.select(found)
                look(found)
                append(found)
                yield found.to_dict() | {"path": str(video), "frame": index}

    def _camera(self, path: AnyPath) -> np.ndarray | None:
        """Returns the matrix of the one calibration file, or of the file with the stem of `path` in a folder."""
        from keras_centernet.camera import read_calibration

        if not self.calibration:
            return None
        file = to_path(self.calibration)
        return read_calibration(file / f"{path.stem}.txt" if file.is_dir() else file)


def drawing_name(image: AnyPath) -> str:
    """Returns the name of an image's drawn copy, of a kind that can be written."""
    from keras_centernet.drawing.image_file import SUFFIXES  # not above: it imports Keras

    return image.name if image.suffix.lower() in SUFFIXES else f"{image.stem}.png"


def unique_names(names: dict) -> dict:
    """Returns {key: name} with equal names, as of files from different folders, numbered: a.jpg, a_2.jpg, ...

    Names that differ in upper and lower case only count as equal: to some disks they are.
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


def _read(path: AnyPath) -> np.ndarray | UserError:
    from keras_centernet.data.images import read_image

    try:
        return read_image(path)
    except UserError as error:
        return error


@contextlib.contextmanager
def _film(path: AnyPath | None, rate: float) -> Iterator[Callable]:
    """Returns a context with a function that appends a drawn frame to a video; without a path it does nothing."""
    if path is None:
        yield lambda found: None
        return
    import cv2

    writer, count = None, 0
    with local_output(path) as target:

        def append(found) -> None:
            nonlocal writer, count
            drawn = found.draw()
            count += 1
            if writer is None:
                size_wh = (found.image.shape[1], found.image.shape[0])
                writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), rate, size_wh)
            writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))

        try:
            yield append
        finally:
            if writer is not None:
                writer.release()
                _check_film(target, count)


def _check_film(path: pathlib.Path, count: int) -> None:
    """Raises an OSError where OpenCV, which does not say so, could not write all frames."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    written = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    if written < count:
        raise OSError(errno.ENOSPC, f"{count} frames, of which {written} arrived: the disk may be full")
