"""The truth in place of heads: filled in as published, and sufficient to find everything."""

from collections import deque

import numpy as np
import pytest

from keras_centernet.errors import UserError
from keras_centernet.evaluation.oracle import find_heads, with_truth
from keras_centernet.method.decode import decode
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.skeletons import Skeleton

MAP_HW = (12, 16)


def flood(values, cells, map_hw):
    """The published rule in plain loops: breadth first from all cells at once, up, down and sideways."""
    filled = np.full((*map_hw, values.shape[-1]), np.nan)
    queue = deque(zip(cells, values, strict=True))
    for (x, y), value in queue:
        filled[y, x] = value
    while queue:
        (x, y), value = queue.popleft()
        for u, v in ((x, y + 1), (x, y - 1), (x + 1, y), (x - 1, y)):
            if 0 <= u < map_hw[1] and 0 <= v < map_hw[0] and np.isnan(filled[v, u, 0]):
                filled[v, u] = value
                queue.append(((u, v), value))
    return filled


def objects_of(boxes, classes=None):
    boxes = np.float32([boxes])
    return {
        "boxes_xyxy": boxes,
        "classes": np.int32([classes or [0] * boxes.shape[1]]),
        "mask": np.ones(boxes.shape[:2], bool),
    }


def zeros_of(task):
    return {head.name: np.zeros((1, *MAP_HW, head.channels), "float32") for head in task.heads}


def test_every_cell_has_the_size_of_its_nearest_object():
    task = TASKS["detection"].build(("a",))
    objects = objects_of([[2, 2, 18, 10], [40, 30, 46, 40], [0, 36, 10, 44]])
    targets = {key: np.asarray(value)[0] for key, value in encode_targets(task, objects, MAP_HW).items()}
    cells = [(index % 16, index // 16) for index in targets["center_index"].tolist()]
    sizes = with_truth(task, find_heads(task, ["size"]), zeros_of(task), objects)["size"][0]
    expected = flood(targets["size"], cells, MAP_HW)
    distances = np.sort([[abs(np.arange(16) - x)[None] + abs(np.arange(12) - y)[:, None]] for x, y in cells], axis=0)
    is_nearest_of_one = (distances[0] < distances[1])[0]
    np.testing.assert_allclose(sizes[is_nearest_of_one], expected[is_nearest_of_one])
    assert {tuple(row) for row in sizes.reshape(-1, 2)} == {tuple(row) for row in targets["size"]}


def test_images_without_objects_become_zero():
    task = TASKS["detection"].build(("a",))
    objects = objects_of([[2, 2, 18, 10]]) | {"mask": np.zeros((1, 1), bool)}
    truth = with_truth(task, task.heads[1:], {key: value + 7 for key, value in zeros_of(task).items()}, objects)
    assert not truth["size"].any()
    assert not truth["offset"].any()


def test_true_heads_find_boxes():
    task = TASKS["detection"].build(("a", "b"))
    objects = objects_of([[2, 2, 18, 11], [40, 30, 47, 40]], [1, 0])
    found = decode(task, with_truth(task, task.heads, zeros_of(task), objects), 2)
    np.testing.assert_allclose(found["scores"], [[1, 1]], atol=1e-6)
    order = np.argsort(found["classes"][0])[::-1]
    np.testing.assert_allclose(np.asarray(found["boxes_xyxy"])[0][order] * 4, objects["boxes_xyxy"][0], atol=1e-4)


def test_true_heads_find_keypoints():
    skeleton = Skeleton(("left", "right", "top"), flip_pairs=((0, 1),))
    task = TASKS["pose"].build(("thing",), skeleton=skeleton)
    keypoints = np.float32([[[[5, 6, 2], [15, 9, 2], [9, 3, 1]], [[41, 31, 2], [46, 33, 2], [43, 38, 2]]]])
    objects = objects_of([[2, 2, 18, 11], [40, 30, 47, 40]]) | {"keypoints_xyv": keypoints}
    found = decode(task, with_truth(task, task.heads, zeros_of(task), objects), 2)
    found_xy = np.asarray(found["keypoints_xy"])[0] * 4
    order = np.argsort(found_xy[:, 0, 0])
    np.testing.assert_allclose(found_xy[order], keypoints[0, ..., :2], atol=1e-4)


def test_true_heads_find_3d_boxes():
    task = TASKS["detection_3d"].build(("car",))
    objects = objects_of([[2, 2, 18, 11], [40, 30, 47, 40], [30, 4, 40, 12]]) | {
        "locations_xyz": np.float32([[[1, 1, 20], [2, 1, 5], [0, 1, 61]]]),
        "dimensions_hwl": np.float32([[[1.5, 1.6, 4], [1.4, 1.7, 3.5], [2, 2, 5]]]),
        "alphas": np.float32([[-1.9, 0.4, 2.5]]),
        "is_crowd": np.zeros((1, 3), bool),
    }
    found = decode(task, with_truth(task, task.heads, zeros_of(task), objects), 3)
    order = np.argsort(found["depths"][0])
    np.testing.assert_allclose(np.asarray(found["depths"])[0][order], [5, 20, 61], rtol=1e-3)
    np.testing.assert_allclose(np.asarray(found["alphas"])[0][order], [0.4, -1.9, 2.5], atol=1e-5)
    np.testing.assert_allclose(
        np.asarray(found["dimensions_hwl"])[0][order], objects["dimensions_hwl"][0][[1, 0, 2]], rtol=1e-6
    )


def test_other_heads_stay_unchanged():
    task = TASKS["detection"].build(("a",))
    maps = zeros_of(task)
    truth = with_truth(task, find_heads(task, ["heatmap"]), maps, objects_of([[2, 2, 18, 10]]))
    assert truth["size"] is maps["size"]
    assert truth["center_heatmap"].max() > 16


def test_unknown_heads_are_named():
    task = TASKS["detection"].build(("a",))
    with pytest.raises(UserError, match=r"heads of task detection \(center_heatmap, size, offset, heatmap\), got 'de"):
        find_heads(task, ["depth"])
