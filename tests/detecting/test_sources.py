"""How `predict` reads videos: their frames, or a one-line error."""

import os

import cv2
import numpy as np
import pytest

from keras_centernet.data.image_headers import MAX_PIXELS
from keras_centernet.detecting.sources import find_inputs, read_frames
from keras_centernet.errors import UserError
from keras_centernet.texts import in_two_lines

FRAMES = 5


def film(path, frames=FRAMES):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), (0, 0, 40 * i), np.uint8))
    writer.release()
    return path


def read(path):
    with read_frames(str(path)) as (rate, frames):
        return rate, list(frames)


def test_the_frames_of_a_video_are_rgb(tmp_path):
    rate, frames = read(film(tmp_path / "a.avi"))
    assert (rate, len(frames)) == (10, FRAMES)
    for i, frame in enumerate(frames):
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), (40 * i, 0, 0), atol=4)


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_video_that_is_cut_off_gives_its_remaining_frames(share, tmp_path):
    path = film(tmp_path / "a.avi", 40)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert 0 < len(read(path)[1]) < 40


BAD_FILES = {
    "text": b"<html>404</html>" * 100,
    "nothing but its mark": b"RIFF\0\1\0\0AVI LIST",
    "zeros": bytes(10_000),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_what_is_no_video_is_one_line(kind, tmp_path):
    (tmp_path / "a.avi").write_bytes(BAD_FILES[kind])
    with pytest.raises(UserError, match=r"a\.avi: expected a video .*[^\n]$"):
        read(tmp_path / "a.avi")


class WithoutFrames:
    """A video of which nothing can be decoded."""

    def __init__(self, path):
        self.path = path

    def isOpened(self):
        return True

    def get(self, _):
        return 10

    def read(self):
        return False, None

    def release(self):
        self.path = None


def test_a_video_without_frames_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", WithoutFrames)
    with pytest.raises(UserError, match=r"a\.avi: expected a video with frames, got none that can be decoded"):
        read(film(tmp_path / "a.avi"))


def test_only_regular_files_are_opened(tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, "VideoCapture")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    for name, kind in (("pipe", "a named pipe"), ("folder", "a folder"), ("empty", "an empty file")):
        with pytest.raises(UserError, match=f"{name}.mp4: expected a video file, got {kind}; give the path of one"):
            read(tmp_path / f"{name}.mp4")


def test_frames_that_are_too_large_are_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_centernet.data.image_headers.MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(UserError, match="expected frames of at most 3071 pixels, got 64 x 48"):
        read(film(tmp_path / "a.avi"))
    assert MAX_PIXELS > 64 * 48


@pytest.mark.parametrize(
    ("files", "name", "got"),
    [
        ([], ".", "an empty folder"),
        (["a.txt"], "a.txt", "1 of other kinds"),
        (["a.txt", "b.csv"], ".", "2 of other kinds"),
        (["a.txt", "b.txt"], "*.txt", "2 of other kinds"),
    ],
)
def test_an_input_without_images_is_named(tmp_path, files, name, got):
    for file in files:
        (tmp_path / file).write_text("words")
    with pytest.raises(UserError, match=rf"or a webcam number, got {got} \(known are \.jpg, .*\.mp4"):
        find_inputs([str(tmp_path / name)])


@pytest.mark.parametrize(
    ("name", "got"), [("street.jpg", "path which does not exist"), ("*.jpg", "glob that matches nothing")]
)
def test_an_input_that_does_not_exist_is_told_in_two_lines(monkeypatch, tmp_path, name, got):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        find_inputs([name])
    said = f"{name}: expected an image, a video, a folder or glob of them, or a webcam number, got a {got}."
    assert str(error.value) == said
    assert in_two_lines(f"keras-centernet: {said}") == f"keras-centernet: {said}"
