"""Boxes trained at the cells around a centre, compared with a loop over objects and cells."""

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError
from keras_centernet.fitting.objective import head_losses
from keras_centernet.method.decode import decode
from keras_centernet.method.specs import HeadSpec
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.table import with_losses

CENTERS, AREAS = (TASKS["detection"].build(("a", "b"), boxes_at=cells) for cells in ("centers", "areas"))
MAP_HW = (16, 24)
CELLS = 25


def drawn_objects(rng, count):
    """Overlapping boxes, some of them over the border; the last row is padding."""
    corners = rng.uniform(-8, 70, (1, count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(2, 60, (1, count, 2))], axis=-1)
    mask = np.arange(count)[None] < count - 1
    return {"boxes_xyxy": boxes.astype("float32"), "classes": rng.integers(0, 2, (1, count)), "mask": mask}


def height(cell, center, size):
    sigma = [(0.54 * side + 1) / 6 for side in size]
    return np.exp(-sum(((c - o) / s) ** 2 for c, o, s in zip(cell, center, sigma, strict=True)) / 2)


def slow_areas(objects):
    """Returns ({(object, cell): weight}, middles, sizes), by loops."""
    boxes = np.clip(objects["boxes_xyxy"][0] / 4, 0, [MAP_HW[1] - 1, MAP_HW[0] - 1] * 2)
    sizes, middles = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    alive = [i for i in range(len(boxes)) if objects["mask"][0, i] and np.all(sizes[i] > 0)]
    centers = {i: tuple(np.floor(middles[i]).astype(int)) for i in alive}
    found = {}
    for i in alive:
        weights = {}
        for y in range(centers[i][1] - 2, centers[i][1] + 3):
            for x in range(centers[i][0] - 2, centers[i][0] + 3):
                own = height((x, y), centers[i], sizes[i])
                others = [(height((x, y), centers[j], sizes[j]), j) for j in alive if j != i]
                is_owned = all(own > other or (own == other and i < j) for other, j in others)
                if 0 <= x < MAP_HW[1] and 0 <= y < MAP_HW[0] and (is_owned or (x, y) == centers[i]):
                    weights[x, y] = own
        found |= {(i, cell): weight / sum(weights.values()) for cell, weight in weights.items()}
    return found, middles, sizes


def test_targets_are_those_of_a_loop(rng):
    objects = drawn_objects(rng, 7)
    targets = {name: np.asarray(value)[0] for name, value in encode_targets(AREAS, objects, MAP_HW).items()}
    weights, middles, sizes = slow_areas(objects)
    assert len(weights) > 40
    ours = {}
    for row in np.flatnonzero(targets["area_mask"]):
        i, (y, x) = row // CELLS, divmod(targets["area_index"][row], MAP_HW[1])
        ours[i, (x, y)] = targets["area_mask"][row]
        np.testing.assert_allclose(targets["size"][row], sizes[i], rtol=1e-5)
        np.testing.assert_allclose(targets["offset"][row], middles[i] - (x, y), atol=1e-5)
    assert {key for key, weight in weights.items() if weight > 1e-6} <= set(ours) <= set(weights)
    for key, weight in ours.items():
        assert weight == pytest.approx(weights[key], rel=1e-3, abs=1e-6)
    for name in ("size", "offset"):
        assert not targets[name][targets["area_mask"] == 0].any()


def test_the_weights_of_an_object_add_up_to_one_and_a_shared_cell_has_one_owner():
    boxes = np.array([[[8, 8, 40, 40], [16, 8, 48, 40], [8, 8, 8, 40]]], "float32")  # the last one has no area
    objects = {"boxes_xyxy": boxes, "classes": np.zeros((1, 3), int), "mask": np.ones((1, 3), bool)}
    targets = encode_targets(AREAS, objects, MAP_HW)
    weights, index = (
        np.asarray(targets["area_mask"]).reshape(3, CELLS),
        np.asarray(targets["area_index"]).reshape(3, -1),
    )
    np.testing.assert_allclose(weights.sum(axis=-1), [1, 1, 0], rtol=1e-6)
    assert not set(index[0][weights[0] > 0]) & set(index[1][weights[1] > 0])


def test_two_objects_with_their_centres_in_one_cell_are_both_trained_there():
    boxes = np.array([[[8, 8, 40, 40], [16, 16, 32, 32]]], "float32")
    objects = {"boxes_xyxy": boxes, "classes": np.zeros((1, 2), int), "mask": np.ones((1, 2), bool)}
    weights = np.asarray(encode_targets(AREAS, objects, MAP_HW)["area_mask"]).reshape(2, CELLS)
    assert (weights[:, CELLS // 2] > 0).all()


@pytest.mark.parametrize("losses", [{}, {"size": "giou"}])
def test_the_losses_are_weighted_means_over_the_cells(losses, rng):
    task, objects = with_losses(AREAS, losses, None), drawn_objects(rng, 5)
    targets = encode_targets(task, objects, MAP_HW)
    maps = {"center_heatmap": (*MAP_HW, 2), "size": (*MAP_HW, 2), "offset": (*MAP_HW, 2)}
    maps = {name: rng.uniform(1, 9, (1, *shape)).astype("float32") for name, shape in maps.items()}
    total, count = head_losses(task, [maps], targets)["size"]
    weights, middles, sizes = slow_areas(objects)
    expected = 0.0
    for (i, (x, y)), weight in weights.items():
        found = maps["size"][0, y, x]
        if not losses:
            expected += weight * np.abs(found - sizes[i]).sum()
            continue
        center = maps["offset"][0, y, x] + (x, y)
        low, high, true_low = center - found / 2, center + found / 2, middles[i] - sizes[i] / 2
        true_high = true_low + sizes[i]
        common = np.prod(np.maximum(np.minimum(high, true_high) - np.maximum(low, true_low), 0))
        hull = np.prod(np.maximum(high, true_high) - np.minimum(low, true_low))
        union = found.prod() + sizes[i].prod() - common
        expected += weight * (1 - common / union + (hull - union) / hull)
    assert float(total) == pytest.approx(expected, rel=1e-4)
    objects_counted = len({i for i, _ in weights})
    assert float(count) == pytest.approx(objects_counted if losses else 2 * objects_counted, rel=1e-3)


def test_perfect_maps_decode_to_the_boxes_from_any_cell_of_an_area():
    box = np.array([[[8, 12, 48, 52]]], "float32")
    objects = {"boxes_xyxy": box, "classes": np.zeros((1, 1), int), "mask": np.ones((1, 1), bool)}
    targets = {name: np.asarray(value)[0] for name, value in encode_targets(AREAS, objects, MAP_HW).items()}
    for row in np.flatnonzero(targets["area_mask"]):
        maps = {"center_heatmap": np.full((1, *MAP_HW, 2), -9, "float32")}
        maps["center_heatmap"].reshape(-1, 2)[targets["area_index"][row], 0] = 9
        for name in ("size", "offset"):
            maps[name] = np.broadcast_to(targets[name][row], (1, *MAP_HW, 2))
        np.testing.assert_allclose(decode(AREAS, maps, 1)["boxes_xyxy"], box / 4, atol=1e-5)


def test_the_option_is_saved_with_the_model_and_a_wrong_one_is_refused(tiny_model):
    model = tiny_model(task_options={"boxes_at": "areas"}, head_losses={"size": "giou"})
    again = CenterNet.from_config(model.get_config())
    assert [head.taught_at for head in again.task.heads] == ["", "areas", "areas"]
    with pytest.raises(UserError, match="boxes_at must be one of"):
        tiny_model(task_options={"boxes_at": "corners"})
    with pytest.raises(ValueError, match="taught_at must be one of"):
        HeadSpec("heat", 1, "everywhere", None, None, taught_at="areas")
