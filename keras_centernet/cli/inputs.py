"""What a user may point `predict` at: images, folders, globs, videos and webcams."""

import glob
import pathlib
from collections.abc import Iterator

from keras_centernet.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def find_inputs(patterns: list[str]) -> tuple[list[pathlib.Path], list[str | int]]:
    """Returns (image files, videos and webcam numbers) that the arguments stand for, in order.

    Args:
        patterns: files, folders (their images, not those of folders inside), globs, or webcam numbers.

    Raises:
        UserError: an argument stands for nothing.
    """
    images, videos = [], []
    for pattern in patterns:
        if pattern.isdigit():
            videos.append(int(pattern))
            continue
        found = _expand(pattern)
        images += [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
        videos += [str(path) for path in found if path.suffix.lower() in VIDEO_SUFFIXES]
    return list(dict.fromkeys(images)), list(dict.fromkeys(videos))


def read_frames(video: str | int) -> tuple[float, Iterator]:
    """Returns (frames per second, iterator of (H, W, 3) uint8 RGB frames) of a video file or webcam.

    Raises:
        UserError: it cannot be opened.
    """
    import cv2

    capture = cv2.VideoCapture(video)
    if not capture.isOpened():
        what = f"webcam {video}" if isinstance(video, int) else video
        raise UserError(f"{what}: expected a video that OpenCV can open; check the file or the number.")

    def frames():
        try:
            while True:
                there, frame = capture.read()
                if not there:
                    return
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    return capture.get(cv2.CAP_PROP_FPS) or 25.0, frames()


def _expand(pattern: str) -> list[pathlib.Path]:
    path = pathlib.Path(pattern)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES)
    else:
        found = [pathlib.Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
        found = [p for p in found if p.is_file()]
    known = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES]
    if not known:
        raise UserError(
            f"{pattern}: expected an image ({', '.join(IMAGE_SUFFIXES)}), a video ({', '.join(VIDEO_SUFFIXES)}), a "
            "folder or glob of them, or a webcam number; found none."
        )
    return known
