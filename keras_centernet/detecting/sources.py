"""What a user may point `predict` at: images, folders, globs, videos and webcams."""

import contextlib
import itertools
import operator
import os
import pathlib
import posixpath
import re
from collections.abc import Iterator

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import local_copy
from keras_centernet.files.paths import AnyPath, expand, to_path
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.special import special_kind

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
WEB_VIDEO_SUFFIXES = (".m3u8", ".mpd", ".mjpg", ".mjpeg")  # streams that OpenCV reads by itself
UNSAFE = re.compile(r"[^\w.-]+")  # characters of an address that are replaced in a file name
WEBCAM = re.compile("[0-9]{1,9}")  # a number
WEB, CAMERA = re.compile("https?://"), re.compile("(rtsps?|rtmp|rtp|udp|tcp)://")  # addresses


def find_inputs(patterns: list[str]) -> tuple[list[AnyPath | str], list[str | int]]:
    """Returns (image files and addresses, video files, addresses and webcam numbers) that the arguments name, in order.

    Args:
        patterns: files, folders (their own files, not those of folders inside), globs, webcam numbers, or addresses of
            images (http://) and videos (rtsp://, http://, ...). One that stands for nothing raises a UserError.
    """
    from keras_centernet.data.images import IMAGE_SUFFIXES  # not above: it imports TensorFlow

    images, videos = [], []
    for pattern in patterns:
        if WEBCAM.fullmatch(pattern):
            videos.append(int(pattern))
            continue
        if is_address(pattern):
            (images if is_web_image(pattern) else videos).append(pattern)
            continue
        found = _expand(pattern, IMAGE_SUFFIXES)
        images += [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
        videos += [str(path) for path in found if path.suffix.lower() in VIDEO_SUFFIXES]
    return list(dict.fromkeys(images)), list(dict.fromkeys(videos))


@contextlib.contextmanager
def read_frames(video: str | int) -> Iterator[tuple[float, Iterator]]:
    """Returns a context with (frames per second, iterator of (H, W, 3) uint8 RGB frames) of a video or webcam.

    A remote file (gs://...) is copied first, because OpenCV reads local ones only.

    Raises:
        UserError: not a regular file, not a video, no frame that can be decoded, or frames that are too large.
    """
    import cv2

    what = f"webcam {video}" if isinstance(video, int) else video
    is_elsewhere = isinstance(video, int) or is_address(video)
    kind = None if is_elsewhere or is_remote(video) else special_kind(video)
    if kind is not None:
        raise UserError(f"{what}: expected a video file, got {kind}; give the path of one.")
    with contextlib.nullcontext(video) if is_elsewhere else local_copy(video) as local:
        capture = cv2.VideoCapture(local if is_elsewhere else os.fspath(local))
        try:
            if not capture.isOpened():
                raise UserError(f"{what}: expected a video that OpenCV can open; check the file or the number.")
            _check_pixels(capture, what)
            found = (frame for _, frame in itertools.takewhile(operator.itemgetter(0), iter(capture.read, None)))
            first = list(itertools.islice(found, 1))
            if not first:
                raise UserError(f"{what}: expected a video with frames, got none that can be decoded; fetch it again.")
            frames = itertools.chain(first, found)
            yield capture.get(cv2.CAP_PROP_FPS) or 25.0, (cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames)
        finally:
            capture.release()


def is_address(video: str | int) -> bool:
    """Whether an input is a camera's address or a web address; OpenCV opens videos at these by itself."""
    return isinstance(video, str) and any(kind.match(video) for kind in (CAMERA, WEB))


def is_web_image(address: str) -> bool:
    """Whether an address is that of an image: a web address that does not end with a video's suffix."""
    return bool(WEB.match(address)) and not _path_of(address).lower().endswith(VIDEO_SUFFIXES + WEB_VIDEO_SUFFIXES)


def name_of(one: AnyPath | str | int) -> str:
    """Returns an input's file name, or a valid one for a webcam or an address: "webcam0", "street.jpg"."""
    if isinstance(one, int):
        return f"webcam{one}"
    if is_address(one):
        return UNSAFE.sub("_", posixpath.basename(_path_of(one))) or "address"
    return to_path(one).name


def stem_of(one: AnyPath | str | int) -> str:
    """Returns `name_of` without the suffix."""
    return pathlib.PurePath(name_of(one)).stem


def _path_of(address: str) -> str:
    return address.partition("?")[0].partition("#")[0].partition("://")[2].partition("/")[2]


def _check_pixels(capture, what: str) -> None:
    import cv2

    from keras_centernet.data.image_headers import MAX_PIXELS

    width, height = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > MAX_PIXELS:
        problem = f"got {width:.0f} x {height:.0f}; shrink it."
        raise UserError(f"{what}: expected frames of at most {MAX_PIXELS} pixels, {problem}")


def _expand(pattern: str, image_suffixes: tuple[str, ...]) -> list[AnyPath]:
    path = to_path(pattern)
    found = sorted(path.iterdir()) if path.is_dir() else expand(pattern)
    known = [p for p in found if p.suffix.lower() in image_suffixes + VIDEO_SUFFIXES]
    if not known:
        expected = f"{pattern}: expected an image, a video, a folder or glob of them, or a webcam number, got"
        if not found and not path.is_dir():
            is_glob = any(sign in pattern for sign in "*?[")
            raise UserError(f"{expected} a {'glob that matches nothing' if is_glob else 'path which does not exist'}.")
        got = f"{len(found)} of other kinds" if found else "an empty folder"
        raise UserError(f"{expected} {got} (known are {', '.join(image_suffixes + VIDEO_SUFFIXES)}).")
    return known
