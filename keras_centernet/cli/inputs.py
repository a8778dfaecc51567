"""What a user may point `predict` at: images, folders, globs, videos and webcams."""

import contextlib
import itertools
import operator
import os
from collections.abc import Iterator

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import AnyPath, expand, to_path

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def find_inputs(patterns: list[str]) -> tuple[list[AnyPath], list[str | int]]:
    """Returns (image files, video files and webcam numbers) that the arguments name, in order.

    Args:
        patterns: files, folders (their own files, not those of folders inside), globs, or webcam numbers. A UserError
            names one that stands for nothing.
    """
    from keras_centernet.data.images import IMAGE_SUFFIXES  # not above: it imports TensorFlow

    images, videos = [], []
    for pattern in patterns:
        if pattern.isdigit():
            videos.append(int(pattern))
            continue
        found = _expand(pattern, IMAGE_SUFFIXES)
        images += [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
        videos += [str(path) for path in found if path.suffix.lower() in VIDEO_SUFFIXES]
    return list(dict.fromkeys(images)), list(dict.fromkeys(videos))


@contextlib.contextmanager
def read_frames(video: str | int) -> Iterator[tuple[float, Iterator]]:
    """Returns a context with (frames per second, iterator of (H, W, 3) uint8 RGB frames) of a video file or webcam.

    A remote file (gs://...) is copied first, because OpenCV reads local ones only.
    """
    import cv2

    with contextlib.nullcontext(video) if isinstance(video, int) else local_copy(video) as local:
        capture = cv2.VideoCapture(local if isinstance(local, int) else os.fspath(local))
        if not capture.isOpened():
            what = f"webcam {video}" if isinstance(video, int) else video
            raise UserError(f"{what}: expected a video that OpenCV can open; check the file or the number.")
        found = itertools.takewhile(operator.itemgetter(0), iter(capture.read, None))
        try:
            yield capture.get(cv2.CAP_PROP_FPS) or 25.0, (cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for _, frame in found)
        finally:
            capture.release()


def _expand(pattern: str, image_suffixes: tuple[str, ...]) -> list[AnyPath]:
    path = to_path(pattern)
    found = sorted(path.iterdir()) if path.is_dir() else expand(pattern)
    known = [p for p in found if p.suffix.lower() in image_suffixes + VIDEO_SUFFIXES]
    if not known:
        kinds = f"an image ({', '.join(image_suffixes)}), a video ({', '.join(VIDEO_SUFFIXES)})"
        raise UserError(f"{pattern}: expected {kinds}, a folder or glob of them, or a webcam number; found none.")
    return known
