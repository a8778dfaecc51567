"""Detection: the effect of hidden regions on targets, loss and gradient, compared with a slow loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.fitting.objective import head_losses
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.skeletons import Skeleton

CLASSES, MAP_HW = ("pedestrian", "car", "cyclist"), (20, 30)
TASK = TASKS["detection"].build(CLASSES)
CAR = ([16, 12, 52, 40], 1, False)


def objects_of(*rows, slots=8, **more):
    """A batch of one image with rows of (box in input pixels, class, whether it is hidden)."""
    objects = {
        "boxes_xyxy": np.zeros((1, slots, 4), "float32"),
        "classes": np.zeros((1, slots), "int32"),
        "mask": np.zeros((1, slots), bool),
        "is_hidden": np.zeros((1, slots), bool),
    }
    for i, (box, index, is_hidden) in enumerate(rows):
        objects["boxes_xyxy"][0, i], objects["classes"][0, i] = box, index
        objects["mask"][0, i], objects["is_hidden"][0, i] = True, is_hidden
    return objects | more


def encode(objects, task=TASK, map_hw=MAP_HW):
    return {name: np.asarray(value) for name, value in encode_targets(task, objects, map_hw).items()}


def without_hidden(objects):
    """The same objects in a data set without hidden regions."""
    known = {key: value for key, value in objects.items() if key != "is_hidden"}
    return known | {"mask": objects["mask"] & ~objects["is_hidden"]}


def cells_in_regions(objects, map_hw=MAP_HW):
    """(Hf, Wf, classes) bool: whether a hidden region touches the cell, cell by cell."""
    inside = np.zeros((*map_hw, len(CLASSES)), bool)
    for box, index, is_hidden, is_there in zip(
        *(objects[key][0] for key in ("boxes_xyxy", "classes", "is_hidden", "mask")), strict=True
    ):
        for y in range(map_hw[0]):
            for x in range(map_hw[1]):
                touches = box[0] < 4 * x + 4 and box[2] >= 4 * x and box[1] < 4 * y + 4 and box[3] >= 4 * y
                inside[y, x, index] |= bool(is_hidden and is_there and touches)
    return inside


REGIONS = {
    "apart from the car": [([70, 30, 110, 61], 1, True)],
    "around the car": [([4, 4, 90, 70], 1, True)],
    "over the car's edge": [([40, 20, 80, 50], 1, True)],
    "in every class": [([70, 30, 110, 61], i, True) for i in range(3)],
    "over the border": [([90, -30, 500, 33], 0, True)],
    "in the last column only": [([117.5, 10, 119.5, 30], 2, True)],
    "smaller than a cell": [([61, 41, 62, 42], 0, True)],
    "outside": [([-30, 10, -2, 30], 0, True)],
    "two that overlap": [([70, 30, 110, 61], 1, True), ([90, 40, 118, 70], 1, True)],
}


@pytest.mark.parametrize("name", REGIONS)
def test_a_hidden_region_is_neither_object_nor_background(name):
    objects = objects_of(CAR, *REGIONS[name])
    targets, expected, inside = encode(objects), encode(without_hidden(objects)), cells_in_regions(objects)
    heatmap, drawn = targets.pop("center_heatmap")[0], expected.pop("center_heatmap")[0]
    np.testing.assert_array_equal(heatmap, np.where(inside, np.maximum(drawn, np.float32(0.9999)), drawn))
    assert np.argwhere(heatmap == 1).tolist() == [[6, 8, 1]]  # only the car's centre
    assert targets.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(targets[key], values)


@pytest.mark.parametrize("logit", [-30.0, -3.0, 0.0, 4.0, 30.0])
def test_predictions_inside_a_region_have_no_loss_and_no_gradient(logit):
    objects = objects_of(CAR, *REGIONS["in every class"])
    inside = cells_in_regions(objects)[None]
    maps = {head.name: tf.fill((1, *MAP_HW, head.channels), 1.0) for head in TASK.heads}
    flat = maps | {"center_heatmap": tf.fill((1, *MAP_HW, 3), -3.0)}
    heatmap = tf.Variable(tf.where(inside, logit, flat["center_heatmap"]))
    with tf.GradientTape() as tape:
        losses = head_losses(TASK, [maps | {"center_heatmap": tf.convert_to_tensor(heatmap)}], encode(objects))
        total, count = losses["center_heatmap"]
    gradient = tape.gradient(total, heatmap).numpy()
    assert np.abs(gradient[inside]).max() < 1e-10
    assert np.abs(gradient[~inside]).min() > 0
    assert count == 1
    expected, _ = head_losses(TASK, [flat], encode(objects))["center_heatmap"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_objects_without_is_hidden_give_the_same_targets():
    objects = without_hidden(objects_of(CAR))
    known, unknown = encode(objects | {"is_hidden": np.zeros((1, 8), bool)}), encode(objects)
    for key in unknown:
        np.testing.assert_array_equal(known[key], unknown[key])


def test_padded_rows_hide_nothing():
    objects = objects_of(CAR, *REGIONS["apart from the car"])
    objects["mask"][0, 1] = False
    np.testing.assert_array_equal(encode(objects)["center_heatmap"], encode(without_hidden(objects))["center_heatmap"])


def test_an_image_of_regions_alone_trains_nothing():
    objects = objects_of(*(([0, 0, 120, 80], i, True) for i in range(3)))
    targets = encode(objects)
    assert not targets["center_mask"].any()
    maps = {head.name: keras.random.normal((1, *MAP_HW, head.channels), seed=1) * 9 for head in TASK.heads}
    losses = head_losses(TASK, [maps], targets)
    assert all(abs(float(total)) < 1e-6 for total, _ in losses.values())
    assert float(losses["center_heatmap"][1]) == 0


def test_keypoints_in_a_region_are_neither_positive_nor_negative():
    """A region does not say where its keypoints are, so it hides cells in every keypoint's heatmap."""
    skeleton = Skeleton(("left_eye", "right_eye"), ((0, 1),))
    task = TASKS["pose"].build(("car",), skeleton=skeleton)
    keypoints = np.zeros((1, 8, 2, 3), "float32")
    keypoints[0, 0] = [[20, 20, 2], [40, 20, 2]]
    keypoints[0, 1] = [[80, 40, 2], [90, 40, 2]]  # a hidden row's keypoints are not trained
    rows = (CAR[0], 0, False), ([70, 30, 110, 61], 0, True)
    objects = objects_of(*rows, keypoints_xyv=keypoints)
    targets, expected = encode(objects, task), encode(without_hidden(objects), task)
    inside = cells_in_regions(objects)[..., :1]
    for name in ("center_heatmap", "keypoint_heatmap"):
        drawn = expected.pop(name)[0]
        region = np.maximum(drawn, np.float32(0.9999))
        np.testing.assert_array_equal(targets.pop(name)[0], np.where(inside, region, drawn))
    for key, values in expected.items():
        np.testing.assert_array_equal(targets[key], values)
