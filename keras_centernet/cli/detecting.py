"""Detecting in image files and in the frames of videos, with the options of `predict`."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_output
from keras_centernet.files.paths import AnyPath, map_files, to_path


@dataclass(frozen=True)
class FileDetector:
    """A model and how it is used.

    Attributes:
        model: `CenterNet`.
        threshold: lowest score that is kept.
        batch_size: images at a time.
        calibration: file in KITTI's format, or a folder of them named like the images; None: none.
        frames: how many frames of a video are read; None: all.
    """

    model: Any
    threshold: float
    batch_size: int
    calibration: str | None = None
    frames: int | None = None

    def in_images(self, paths: Sequence[AnyPath]) -> Iterator[tuple]:
        """Yields (path, `Detections`) of each image file in order, (path, UserError) where it cannot be read."""
        for start in range(0, len(paths), self.batch_size):
            batch = paths[start : start + self.batch_size]
            images = list(map_files(_read, batch))
            found = iter(self._in_readable(batch, images))
            for path, image in zip(batch, images, strict=True):
                yield path, image if isinstance(image, UserError) else next(found)

    def in_frames(self, video: str | int, frames: Iterable, rate: float, drawing: AnyPath | None) -> Iterator[dict]:
        """Yields `Detections.to_dict` of each frame, with the "path" of the video and the number of the "frame".

        Args:
            video: file or number of a webcam.
            frames: its images, (H, W, 3) uint8 RGB.
            rate: frames per second of the drawn video.
            drawing: .mp4 file to write, with what was found drawn into it; None: none.
        """
        camera = self._camera(to_path(str(video)))  # here and not in the generator: a wrong one is said at once
        return self._in_frames(video, itertools.islice(frames, self.frames), rate, drawing, camera)

    def _in_readable(self, paths: Sequence[AnyPath], images: Sequence) -> list:
        readable = [(path, image) for path, image in zip(paths, images, strict=True) if isinstance(image, np.ndarray)]
        cameras = [self._camera(path) for path, _ in readable] if self.calibration else None
        options = {"threshold": self.threshold, "batch_size": self.batch_size}
        found = self.model.detect([image for _, image in readable], cameras, **options)
        for (path, _), one in zip(readable, found, strict=True):
            one.path = str(path)
        return found

    def _in_frames(self, video, frames: Iterable, rate: float, drawing: AnyPath | None, camera) -> Iterator[dict]:
        with _film(drawing, rate) as append:
            for index, frame in enumerate(frames):
                (found,) = self.model.detect([frame], camera, threshold=self.threshold)
                append(found)
                yield found.to_dict() | {"path": str(video), "frame": index}

    def _camera(self, path: AnyPath) -> np.ndarray | None:
        """Returns the matrix of the one calibration file, or of the file with the stem of `path` in a folder."""
        from keras_centernet.camera import read_calibration

        if not self.calibration:
            return None
        file = to_path(self.calibration)
        return read_calibration(file / f"{path.stem}.txt" if file.is_dir() else file)


def unique_names(images: Sequence[AnyPath]) -> dict[AnyPath, str]:
    """Returns {image: name of its drawn copy}; equal names from different folders are numbered."""
    names, taken = {}, set()
    for path in images:
        suffix = path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png") else ".png"
        name, number = f"{path.stem}{suffix}", 2
        while name in taken:
            name, number = f"{path.stem}_{number}{suffix}", number + 1
        taken.add(name)
        names[path] = name
    return names


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

    writer = None
    with local_output(path) as target:

        def append(found) -> None:
            nonlocal writer
            drawn = found.draw()
            if writer is None:
                size_wh = (found.image.shape[1], found.image.shape[0])
                writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), rate, size_wh)
            writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))

        try:
            yield append
        finally:
            if writer is not None:
                writer.release()
