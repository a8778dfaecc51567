"""From pictures of any kind to boxes in their own pixels."""

import cv2
import numpy as np
import PIL.Image
import pytest

from keras_centernet import UserError
from keras_centernet.predictor import detect_images
from keras_centernet.tasks import TASKS


class OneBoxDetector:
    """Stands in for a model: always finds the same two boxes of the input."""

    classes = ("cat", "dog")
    input_size = (64, 64)
    task = TASKS["detection"].build(classes)

    def __init__(self, boxes_xyxy=((16, 24, 48, 40), (-10, 0, 5, 5))):
        self.boxes_xyxy, self.batches = np.float32(boxes_xyxy), []

    def detect_batch(self, images, top_k):
        self.batches.append(images.copy())
        count = len(images)
        return {
            "boxes_xyxy": np.tile(self.boxes_xyxy, (count, 1, 1)),
            "scores": np.tile(np.float32([0.9, 0.4]), (count, 1)),
            "classes": np.tile(np.int32([1, 0]), (count, 1)),
        }


def detect(images, threshold=0.3, batch_size=8, model=None):
    return detect_images(model or OneBoxDetector(), images, threshold, 100, batch_size)


def test_boxes_come_back_in_original_pixels():
    (found,) = detect([np.zeros((80, 160, 3), "uint8")])  # zoom 0.4, 16 rows of padding above
    np.testing.assert_allclose(found.boxes_xyxy[0], [40, 20, 120, 60], atol=1e-3)
    assert found.class_names[0] == "dog"


def test_boxes_are_clipped_and_what_is_outside_is_dropped():
    (found,) = detect([np.zeros((64, 64, 3), "uint8")])
    np.testing.assert_allclose(found.boxes_xyxy[1], [0, 0, 5, 5], atol=1e-3)
    outside = OneBoxDetector([(16, 24, 48, 40), (-10, 0, -5, 5)])
    assert len(detect([np.zeros((64, 64, 3), "uint8")], model=outside)[0]) == 1


def test_threshold():
    assert [len(detect([np.zeros((8, 8, 3), "uint8")], threshold=t)[0]) for t in (0.0, 0.5, 0.95)] == [2, 1, 0]


def test_every_kind_of_picture_gives_the_same_input(rng, tmp_path):
    array = rng.integers(0, 256, (30, 40), np.uint8).repeat(3, axis=-1).reshape(30, 40, 3)
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), array)  # grey: the channel order does not matter
    kinds = [array, array[..., 0], PIL.Image.fromarray(array), PIL.Image.fromarray(array[..., 0]), path, str(path)]
    model = OneBoxDetector()
    found = detect(kinds, model=model, batch_size=4)
    assert [len(batch) for batch in model.batches] == [4, 2]
    inputs = np.concatenate(model.batches)
    assert (inputs == inputs[0]).all()
    assert found[-1].path == str(path)


def test_one_picture_needs_no_list():
    assert len(detect(np.zeros((8, 8, 3), "uint8"))) == 1


@pytest.mark.parametrize("image_hw", [(1, 1), (1, 200), (300, 2)])
def test_tiny_and_narrow_pictures(image_hw):
    (found,) = detect([np.zeros((*image_hw, 3), "uint8")])
    assert (found.boxes_xyxy <= np.array([image_hw[1], image_hw[0]] * 2)).all()


def test_no_pictures():
    assert detect([]) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), "float32"), r"got ndarray of shape \(4, 4, 3\) and dtype float32"),
        (np.zeros((4, 4, 5), "uint8"), r"got ndarray of shape \(4, 4, 5\)"),
        (np.zeros((0, 4, 3), "uint8"), r"got ndarray of shape \(0, 4, 3\)"),
        ("nowhere.jpg", "nowhere.jpg"),
    ],
)
def test_other_things_are_refused(image, message):
    with pytest.raises(UserError, match=message):
        detect([image])


def test_batch_size_must_be_positive():
    with pytest.raises(UserError, match="batch_size: expected a positive number, got 0"):
        detect([], batch_size=0)
