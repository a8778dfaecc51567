"""Duplicates: greedy non-maximum suppression in a graph with fixed shapes."""

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, evaluate, load_model
from keras_centernet.method.decode import decode
from keras_centernet.method.duplicates import drop_duplicates
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.table import find_task

KEYS = ("boxes_xyxy", "scores", "classes", "keypoints_xy")


def iou(one, other):
    common = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    areas = [max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (one, other)]
    shared = max(common[0], 0) * max(common[1], 0)
    return shared / (sum(areas) - shared) if shared else 0.0


def slow_nms(boxes, classes, limit):
    """Returns the indices that stay and the indices that are dropped."""
    stays, dropped = [], []
    for i in range(len(boxes)):
        is_duplicate = any(classes[i] == classes[j] and iou(boxes[i], boxes[j]) > limit for j in stays)
        (dropped if is_duplicate else stays).append(i)
    return stays, dropped


@pytest.fixture
def crowd(rng):
    """Two images with 40 detections around a few objects of two classes."""
    centers = rng.uniform(10, 60, (2, 5, 2))[:, rng.integers(0, 5, 40)] + rng.normal(0, 2, (2, 40, 2))
    half = rng.uniform(6, 12, (2, 40, 2))
    return {
        "boxes_xyxy": np.concatenate([centers - half, centers + half], -1).astype("float32"),
        "scores": -np.sort(-rng.uniform(0.01, 1, (2, 40)).astype("float32")),
        "classes": rng.integers(0, 2, (2, 40)).astype("int32"),
        "keypoints_xy": rng.normal(0, 1, (2, 40, 3, 2)).astype("float32"),
    }


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.5, 0.7, 1.0])
def test_equals_greedy_suppression(crowd, limit):
    found = {key: np.asarray(value) for key, value in drop_duplicates(crowd, limit).items()}
    assert found.keys() == crowd.keys()
    for b in range(2):
        stays, dropped = slow_nms(crowd["boxes_xyxy"][b], crowd["classes"][b], limit)
        assert (len(dropped) == 0) == (limit == 1.0)
        order = [*stays, *dropped]
        for key in ("boxes_xyxy", "classes", "keypoints_xy"):
            np.testing.assert_array_equal(found[key][b], crowd[key][b][order])
            assert found[key].dtype == crowd[key].dtype
        np.testing.assert_array_equal(found["scores"][b, : len(stays)], crowd["scores"][b][stays])
        assert np.all(found["scores"][b, len(stays) :] == -1)


def test_boxes_without_an_area_and_broken_ones_stay():
    boxes = np.float32([[[5, 5, 5, 5], [5, 5, 5, 5], [9, 9, 2, 2], [np.nan] * 4, [np.nan] * 4]])
    found = drop_duplicates(
        {"boxes_xyxy": boxes, "scores": np.float32([[5, 4, 3, 2, 1]]), "classes": np.zeros((1, 5), int)}, 0.5
    )
    np.testing.assert_array_equal(found["scores"], [[5, 4, 3, 2, 1]])


@pytest.mark.parametrize("task", list(TASKS))
def test_every_task_has_the_option(task, tiny_model, rng):
    options = {} if task == "detection" else {"classes": None}
    plain, strict = (tiny_model(task=task, task_options=chosen, **options) for chosen in (None, {"nms": 0.2}))
    strict.set_weights(plain.get_weights())
    images = rng.integers(0, 256, (2, 64, 64, 3), np.uint8)
    found, expected = (strict.detect_batch(images), drop_duplicates(decode(plain.task, plain(images)), 0.2))
    for key in ("scores", "classes"):
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-5)
    assert np.any(np.asarray(found["scores"]) == -1)


def test_what_was_dropped_is_neither_found_nor_measured(tiny_model, rng):
    model = tiny_model(task_options={"nms": 0.2})
    image = rng.integers(0, 256, (1, 64, 64, 3), np.uint8)
    rows = model.detect_batch(image)
    boxes, scores = np.asarray(rows["boxes_xyxy"])[0], np.asarray(rows["scores"])[0]
    (found,) = model.detect(list(image), threshold=0)
    assert len(found) <= np.count_nonzero(scores >= 0) < len(scores)
    dropped = np.clip(boxes[scores < 0], 0, 64)
    dropped = dropped[np.all(dropped[:, 2:] > dropped[:, :2] + 1, axis=1)]
    classes = np.asarray(rows["classes"])[0][scores < 0][:1]
    labels = {"boxes": dropped[None, :1], "labels": classes[None]}
    report = model_report(model, image, labels)
    assert report.metrics["AR100"] < 1  # if it were found, the dropped box would match


def model_report(model, images, labels):
    return evaluate(model, [(images, labels)], progress=False, bounding_box_format="xyxy")


def test_the_nms_option_is_saved(tiny_model, tmp_path):
    tiny_model(task_options={"nms": 0.6}).save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert loaded.task.nms == 0.6
    assert loaded.task_options == {"nms": 0.6}


def test_nms_can_be_added_to_a_trained_model_and_is_kept_by_another_task(tiny_model, tmp_path):
    path = tmp_path / "model.keras"
    tiny_model(task_options={"boxes_at": "areas"}).save(path)
    added = CenterNet.from_preset(str(path), task_options={"nms": 0.6})
    assert added.task_options == {"boxes_at": "areas", "nms": 0.6}
    added.save(path)
    other = CenterNet.from_preset(str(path), task="pose", classes=("cat",))
    assert (other.task.name, other.task.nms) == ("pose", 0.6)


@pytest.mark.parametrize("value", [0, -0.5, 1.5, "0.6", "none", True])
def test_an_invalid_overlap_is_refused(value):
    with pytest.raises(UserError, match="detection: nms: expected a number above 0 and at most 1, got "):
        CenterNet("tiny", task_options={"nms": value}, num_classes=1)


def test_the_error_for_an_unknown_option_lists_nms():
    with pytest.raises(UserError, match=r"Its options are .*boxes_at, nms\."):
        find_task("detection", options={"nmss": 0.5})
