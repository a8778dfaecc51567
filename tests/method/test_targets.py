"""Targets, compared with the published data set class, eager, in tf.data and compiled."""

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.geometry import affine, transform_points, xywh_to_xyxy
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import COCO_CLASSES, TASKS

TASK = TASKS["detection"].build(COCO_CLASSES)
MAX_OBJECTS = 128


def padded_objects(boxes_xyxy, classes):
    boxes, names, mask = np.zeros((MAX_OBJECTS, 4)), np.zeros(MAX_OBJECTS, int), np.zeros(MAX_OBJECTS, bool)
    count = min(len(boxes_xyxy), MAX_OBJECTS)
    boxes[:count], names[:count], mask[:count] = boxes_xyxy[:count], classes[:count], True
    return {"boxes_xyxy": boxes[None].astype("float32"), "classes": names[None], "mask": mask[None]}


def scene_objects(arrays, scene):
    """The scene's objects in network input pixels, through the published transform."""
    map_hw = arrays[f"{scene}_hm"].shape[1:]
    input_wh = (map_hw[1] * 4, map_hw[0] * 4)
    boxes = xywh_to_xyxy(arrays[f"{scene}_boxes_xywh"]).astype("float32").astype("float64")
    if scene == "trainflip":
        boxes[:, [0, 2]] = arrays[f"{scene}_img_hw"][1] - boxes[:, [2, 0]] - 1
    matrix = affine(arrays[f"{scene}_c"], arrays[f"{scene}_s"], 0, input_wh)
    corners = transform_points(boxes.reshape(-1, 2), matrix).reshape(-1, 4)
    return padded_objects(corners, arrays[f"{scene}_classes"]), map_hw


@pytest.mark.parametrize("scene", ["a", "b", "many", "keep", "empty", "trainflip"])
def test_targets_equal_the_published_ones(fixture, scene):
    arrays = fixture("ctdet_target")
    objects, map_hw = scene_objects(arrays, scene)
    targets = {name: np.asarray(value)[0] for name, value in encode_targets(TASK, objects, map_hw).items()}
    np.testing.assert_array_equal(targets["center_mask"], arrays[f"{scene}_reg_mask"])
    np.testing.assert_array_equal(targets["center_index"], arrays[f"{scene}_ind"])
    np.testing.assert_allclose(targets["size"], arrays[f"{scene}_wh"], atol=2e-5)
    np.testing.assert_allclose(targets["offset"], arrays[f"{scene}_reg"], atol=2e-5)
    np.testing.assert_allclose(np.moveaxis(targets["center_heatmap"], -1, 0), arrays[f"{scene}_hm"], atol=2e-5)


@pytest.mark.parametrize(
    ("name", "box_xyxy", "present"),
    [
        ("inside", [8, 8, 24, 40], True),
        ("partly outside is clipped", [-20, -20, 24, 40], True),
        ("outside", [-20, -20, -4, -4], False),
        ("empty", [8, 8, 8, 40], False),
        ("inverted", [24, 8, 8, 40], False),
        ("the whole image", [0, 0, 64, 64], True),
        ("beyond every side", [-500, -500, 900, 900], True),
    ],
)
def test_edges(name, box_xyxy, present):
    task = TASKS["detection"].build(("thing",))
    objects = {"boxes_xyxy": np.array([[box_xyxy]], "float32"), "classes": [[0]], "mask": [[True]]}
    targets = encode_targets(task, objects, (16, 16))
    assert bool(targets["center_mask"][0, 0]) is present
    assert float(np.asarray(targets["center_heatmap"]).max()) == (1.0 if present else 0.0)
    assert np.isfinite(np.asarray(targets["size"])).all()


def test_two_objects_in_one_cell_both_keep_their_rows():
    task = TASKS["detection"].build(("thing",))
    objects = {
        "boxes_xyxy": np.array([[[8, 8, 24, 24], [12, 4, 20, 28]]], "float32"),
        "classes": np.zeros((1, 2), int),
        "mask": np.ones((1, 2), bool),
    }
    targets = encode_targets(task, objects, (16, 16))
    np.testing.assert_array_equal(targets["center_index"], [[68, 68]])
    np.testing.assert_array_equal(targets["size"], [[[4, 4], [2, 6]]])
    assert (np.asarray(targets["center_heatmap"]) == 1).sum() == 1


@pytest.mark.parametrize("index", [2, 3, -1])
def test_an_object_of_an_unknown_class_trains_nothing(index):
    task = TASKS["detection"].build(("cat", "dog"))
    objects = {
        "boxes_xyxy": np.array([[[8, 8, 24, 24], [30, 30, 50, 60]]] * 2, "float32"),
        "classes": np.array([[0, index], [1, 1]]),
        "mask": np.ones((2, 2), bool),
    }
    found = encode_targets(task, objects, (16, 16))
    expected = encode_targets(task, objects | {"mask": np.array([[True, False], [True, True]])}, (16, 16))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.slow
def test_a_batch_equals_its_images_and_the_host_equals_the_device(fixture):
    arrays = fixture("ctdet_target")
    (first, map_hw), (second, _) = scene_objects(arrays, "a"), scene_objects(arrays, "b")
    both = {key: np.concatenate([first[key], second[key]]) for key in first}
    eager = encode_targets(TASK, both, map_hw)
    dataset = tf.data.Dataset.from_tensors(both).map(lambda objects: encode_targets(TASK, objects, map_hw))
    compiled = tf.function(lambda objects: encode_targets(TASK, objects, map_hw), jit_compile=True)(
        {key: tf.constant(value) for key, value in both.items()}
    )
    for name, value in next(iter(dataset)).items():
        np.testing.assert_allclose(eager[name], value, atol=1e-6)
        np.testing.assert_allclose(eager[name], compiled[name], atol=1e-5)
        np.testing.assert_allclose(eager[name][1:], encode_targets(TASK, second, map_hw)[name], atol=1e-6)


def test_an_unknown_radius_rule_is_refused():
    with pytest.raises(ValueError, match=r"radius must be one of \['geometric', 'published'\], got 'wide'"):
        TASKS["detection"].build(("thing",), radius="wide")
