"""Detecting in files: reading, the network and drawing run in parallel, in order and with bounded memory."""

import threading

import cv2
import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.detecting.files import FileDetector
from keras_centernet.method.specs import Task

WAIT = 10  # seconds until a test fails


class Model:
    """Finds one object in every image; `begun` counts the batches that have begun."""

    classes, input_size = ("cat",), (32, 32)

    def __init__(self, paint=None):
        self.task = Task("detection", ("cat",), (), None, paint=paint)
        self.begun = 0
        self.has_begun = threading.Condition()

    def detect_batch(self, images):
        with self.has_begun:
            self.begun += 1
            self.has_begun.notify_all()
        count = len(images)
        boxes = np.tile(np.float32([2, 2, 30, 30]), (count, 1, 1))
        return {"boxes_xyxy": boxes, "scores": np.full((count, 1), 0.9, "f"), "classes": np.zeros((count, 1), int)}

    def wait_for(self, batches):
        with self.has_begun:
            assert self.has_begun.wait_for(lambda: self.begun >= batches, WAIT)


@pytest.fixture
def images(tmp_path):
    """Six image files; the grey level of each is its number."""
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((32, 32, 3), i, np.uint8))
    return paths


def test_the_network_goes_on_while_the_first_image_is_drawn(images, tmp_path):
    def paint(image, found):
        if image[0, 0, 0] == 0:
            model.wait_for(2)
        return image

    model = Model(paint)
    drawings = {path: tmp_path / f"drawn{path.name}" for path in images}
    found = list(FileDetector(model, 0.3, batch_size=1).in_images(images, drawings))
    assert [path for path, _ in found] == images
    assert [cv2.imread(str(path))[0, 0, 0] for path in drawings.values()] == list(range(6))


def test_the_network_goes_on_while_a_frame_is_drawn_and_the_video_is_in_order(tmp_path):
    def paint(image, found):
        if image[0, 0, 0] == 0:
            model.wait_for(2)
        return image

    model, frames = Model(paint), (np.full((32, 32, 3), 40 * i, np.uint8) for i in range(6))
    rows = FileDetector(model, 0.3, batch_size=1, every=2).in_frames("a.mp4", frames, 10, tmp_path / "drawn.mp4")
    assert [(row["path"], row["frame"]) for row in rows] == [("a.mp4", 0), ("a.mp4", 2), ("a.mp4", 4)]
    capture = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    np.testing.assert_allclose([capture.read()[1].mean() for _ in range(3)], [0, 80, 160], atol=8)


def test_damaged_files_keep_their_place_and_fill_no_batch(images):
    for i in (0, 1, 2, 4):
        images[i].write_bytes(b"no image")
    model = Model()
    found = dict(FileDetector(model, 0.3, batch_size=2).in_images(images))
    assert list(found) == images
    assert [isinstance(one, UserError) for one in found.values()] == [True, True, True, False, True, False]
    assert model.begun == 1


def test_few_frames_are_read_ahead():
    read = []

    def frames():
        for i in range(400):
            read.append(i)
            yield np.zeros((32, 32, 3), np.uint8)

    rows = FileDetector(Model(), 0.3, batch_size=4).in_frames("a.mp4", frames(), 10, None)
    most = max(len(read) - count for count, _ in enumerate(rows, start=1))
    assert len(read) == 400
    assert most < 60


def test_an_error_of_a_drawing_is_raised_and_threads_end(images, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    drawings = {path: tmp_path / "file" / path.name for path in images}
    with pytest.raises(UserError, match="file"):
        list(FileDetector(Model(), 0.3, 2).in_images(images, drawings))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("detect-")]
