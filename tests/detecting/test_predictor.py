"""From images of any kind to boxes in their own pixels, with few graphs that all give the same results."""

import types

import cv2
import numpy as np
import PIL.Image
import pytest

from keras_centernet import UserError
from keras_centernet.detecting import predictor
from keras_centernet.detecting.predictor import Predictor
from keras_centernet.detecting.stream import to_detections
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.method.flip_test import average_mirrored, with_mirrored
from keras_centernet.networks.layers.deformable import without_xla
from keras_centernet.tasks import TASKS
from tests.helpers.step_cases import DEFORMABLE, add_two_stacks
from tests.helpers.tiny_backbone import TINY


class OneBoxPredictor(Predictor):
    """Always finds the same two boxes of the input, whatever the model."""

    def __init__(self, boxes_xyxy=((16, 24, 48, 40), (-10, 0, 5, 5))):
        classes = ("cat", "dog")
        task = TASKS["detection"].build(classes)
        super().__init__(types.SimpleNamespace(classes=classes, input_size=(64, 64), task=task))
        self.boxes_xyxy, self.batches = np.float32(boxes_xyxy), []

    def detect_batch(self, images, top_k=100, flip=False):
        self.batches.append(images.copy())
        count = len(images)
        return {
            "boxes_xyxy": np.tile(self.boxes_xyxy, (count, 1, 1)),
            "scores": np.tile(np.float32([0.9, 0.4]), (count, 1)),
            "classes": np.tile(np.int32([1, 0]), (count, 1)),
        }


def detect(images, threshold=0.3, batch_size=8, model=None):
    return (model or OneBoxPredictor()).detect(images, threshold=threshold, batch_size=batch_size)


def test_boxes_come_back_in_original_pixels():
    (found,) = detect([np.zeros((80, 160, 3), "uint8")])  # zoom 0.4, 16 rows of padding above
    np.testing.assert_allclose(found.boxes_xyxy[0], [40, 20, 120, 60], atol=1e-3)
    assert found.class_names[0] == "dog"


def test_boxes_are_clipped_and_those_outside_are_dropped():
    (found,) = detect([np.zeros((64, 64, 3), "uint8")])
    np.testing.assert_allclose(found.boxes_xyxy[1], [0, 0, 5, 5], atol=1e-3)
    outside = OneBoxPredictor([(16, 24, 48, 40), (-10, 0, -5, 5)])
    assert len(detect([np.zeros((64, 64, 3), "uint8")], model=outside)[0]) == 1


def test_threshold():
    assert [len(detect([np.zeros((8, 8, 3), "uint8")], threshold=t)[0]) for t in (0.0, 0.5, 0.95)] == [2, 1, 0]


def test_every_kind_of_image_gives_the_same_input(rng, tmp_path):
    array = rng.integers(0, 256, (30, 40), np.uint8).repeat(3, axis=-1).reshape(30, 40, 3)
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), array)  # grey, so the channel order does not matter
    kinds = [array, array[..., 0], PIL.Image.fromarray(array), PIL.Image.fromarray(array[..., 0]), path, str(path)]
    model = OneBoxPredictor()
    found = detect(kinds, model=model, batch_size=4)
    assert [len(batch) for batch in model.batches] == [4, 2]
    inputs = np.concatenate(model.batches)
    assert (inputs == inputs[0]).all()
    assert found[-1].path == str(path)


def test_one_image_needs_no_list():
    assert len(detect(np.zeros((8, 8, 3), "uint8"))) == 1


@pytest.mark.parametrize("image_hw", [(1, 1), (1, 200), (300, 2)])
def test_tiny_and_narrow_images(image_hw):
    (found,) = detect([np.zeros((*image_hw, 3), "uint8")])
    assert (found.boxes_xyxy <= np.array([image_hw[1], image_hw[0]] * 2)).all()


def test_no_images():
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
    with pytest.raises(UserError, match="batch_size: expected a whole number of at least 1, got 0"):
        detect([], batch_size=0)


def traces(model):
    return [graph.experimental_get_tracing_count() for graph in model.predictor.graphs.values()]


def test_equal_shapes_share_their_graphs(tiny_model):
    model = tiny_model()
    for count in (1, 1, 3, 1):
        model.detect_batch(np.zeros((count, 64, 64, 3), "uint8"))
    assert traces(model) == [1, 1] * 2  # maps and decoding of batches of one and of three


@pytest.mark.parametrize(
    ("backbone", "compiled", "flips"),
    [
        (TINY, 1, (False, True)),
        (DEFORMABLE, 0, (False,)),  # XLA would compile deformable networks anew for every shape
    ],
)
def test_shapes_beyond_the_first_share_one_graph_and_find_the_same(
    tiny_model, rng, monkeypatch, backbone, compiled, flips
):
    monkeypatch.setattr(predictor, "COMPILED_SHAPES", compiled)
    add_two_stacks()
    model = tiny_model(backbone)
    for flip in flips:
        for shape in [(1, 64, 64, 3), (1, 64, 96, 3), (2, 32, 64, 3)]:
            images = rng.integers(0, 256, shape, np.uint8)
            found = model.detect_batch(images, 20, flip=flip)
            with without_xla():
                maps = average_mirrored(model.task, model(with_mirrored(images))) if flip else model(images)
            expected = to_input_frame(decode(model.task, maps, 20))
            for key in expected:
                np.testing.assert_allclose(found[key], expected[key], rtol=1e-4, atol=1e-3)
    kinds = compiled + 1  # one graph of maps per compiled shape, one for all others
    assert traces(model) == [1] * (kinds * len(flips) + compiled)  # and one graph of the decoding


def test_3d_has_no_flip_test(tiny_model):
    model = tiny_model(task="detection_3d", classes=None)
    with pytest.raises(UserError, match="flip: expected False for task detection_3d, which has no flip test; got True"):
        model.detect_batch(np.zeros((1, 64, 64, 3), "uint8"), flip=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -1}, "top_k: expected a whole number of at least 1, got -1"),
        ({"top_k": None}, "top_k: expected a whole number of at least 1, got None"),
        ({"top_k": True}, "top_k: expected a whole number of at least 1, got True"),
        ({"batch_size": 1.5}, "batch_size: expected a whole number of at least 1, got 1.5"),
        ({"batch_size": 10**12}, "batch_size: expected a whole number of at least 1 and at most 2147483647, got 1000"),
        ({"threshold": float("nan")}, "threshold: expected a number of at least 0 and at most 1, got nan"),
        ({"threshold": "0.3"}, "threshold: expected a number of at least 0 and at most 1, got '0.3'"),
    ],
)
def test_invalid_numbers(options, message):
    with pytest.raises(UserError, match=f"^{message}"):
        OneBoxPredictor().detect([np.zeros((8, 8, 3), "uint8")], **options)


def test_rows_that_a_runtime_swaps_by_the_last_bit_of_their_scores_are_sorted(tiny_model):
    scores = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.4], np.float32)
    boxes_xyxy = np.array([[1, 1, 9, 9], [2, 2, 9, 9], [3, 3, 9, 9]], np.float32)
    rows = {"boxes_xyxy": boxes_xyxy, "scores": scores, "classes": np.array([0, 1, 0])}
    found = to_detections(tiny_model(), rows, np.zeros((64, 64, 3), np.uint8), None, np.eye(2, 3), 0.0)
    np.testing.assert_array_equal(found.scores, scores[[1, 0, 2]])
    np.testing.assert_array_equal(found.boxes_xyxy, boxes_xyxy[[1, 0, 2]])
    np.testing.assert_array_equal(found.classes, [1, 0, 0])
