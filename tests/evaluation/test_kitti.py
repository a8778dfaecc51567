"""KITTI's rules, one by one, on frames small enough to count by hand."""

import dataclasses

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.evaluation.kitti import kitti_average_precision
from keras_centernet.kitti_labels import KittiObjects

LEVELS = ("easy", "moderate", "hard")


def objects(*rows, scores=None):
    """Rows: (type, x of the box, options); every box is 60 x 60 pixels and stands 20 m away."""
    rows = [(kind, x, dict(*options)) for kind, x, *options in rows]
    count = len(rows)

    def column(name, default):
        values = np.array([options.get(name, default) for *_, options in rows], np.float64)
        return values.reshape(count, *np.shape(default))

    left = np.array([x for _, x, _ in rows], np.float64)
    size = [column("width", 60.0), column("height", 60.0)]
    return KittiObjects(
        types=tuple(kind for kind, *_ in rows),
        boxes_xyxy=np.stack([left, np.full(count, 100.0), left + size[0], 100 + size[1]], axis=1),
        alphas=column("alpha", 0.3),
        dimensions_hwl=column("dimensions", (1.5, 1.6, 3.9)),
        locations_xyz=np.stack([left / 10 + column("moved", 0.0), np.full(count, 1.7), np.full(count, 20.0)], axis=1),
        rotations_y=column("rotation", 0.4),
        truncations=column("truncation", 0.0),
        occlusions=column("occlusion", 0.0).astype(int),
        scores=None if scores is None else np.array(scores, np.float64),
    )


def score(truth, found, kind="2d", level="easy", recall="R40", name="Car"):
    return kitti_average_precision([truth], [found], (name,))[name][kind][level][recall]


@pytest.mark.parametrize("frames", [1, 40])
def test_the_truth_itself_is_perfect(rng, frames):
    """With few and with many objects, at every difficulty."""
    kinds = ("Car", "Pedestrian", "Cyclist", "Van", "DontCare")

    def options(i):
        return {"occlusion": i % 3, "truncation": 0.2 * (i % 3), "alpha": rng.uniform(-3, 3)}

    truth = [objects(*((kinds[i % 5], 100 * i, options(i)) for i in range(15))) for _ in range(frames)]
    found = [dataclasses.replace(frame, scores=rng.uniform(0.1, 1, len(frame))) for frame in truth]
    for kinds_of_class in kitti_average_precision(truth, found).values():
        for levels in kinds_of_class.values():
            for level in LEVELS:
                assert levels[level] == {"R11": pytest.approx(100), "R40": pytest.approx(100)}


def test_one_hit_and_one_miss():
    truth = objects(("Car", 0), ("Car", 200))
    found = objects(("Car", 0), scores=[0.9])
    # Recall 1/2 at precision 1: recalls 0 to 20/40 are reached, 20 of the 40 and 6 of the 11.
    assert score(truth, found) == pytest.approx(50)
    assert score(truth, found, recall="R11") == pytest.approx(100 * 6 / 11)


def test_a_better_scored_false_positive():
    truth, found = objects(("Car", 0)), objects(("Car", 500), ("Car", 0), scores=[0.9, 0.8])
    assert score(truth, found) == pytest.approx(50)  # precision 1/2 at every recall
    lower = objects(("Car", 500), ("Car", 0), scores=[0.3, 0.8])
    assert score(truth, lower) == pytest.approx(100)


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("a van found as a car", ("Van", 500), 100),
        ("a truck found as a car", ("Truck", 500), 50),
        ("a region", ("DontCare", 490, {"width": 90, "height": 90}), 100),
        ("a car that is hidden too much", ("Car", 500, {"occlusion": 2}), 100),
        ("a car that is cut off too much", ("Car", 500, {"truncation": 0.4}), 100),
        ("nothing", ("Tram", 800), 50),
    ],
)
def test_what_may_be_found_without_harm(name, other, expected):
    truth = objects(("Car", 0), other)
    found = objects(("Car", 0), ("Car", 500), scores=[0.8, 0.9])
    assert score(truth, found) == pytest.approx(expected)


def test_small_detections_are_ignored():
    truth = objects(("Car", 0))
    found = objects(("Car", 0), ("Car", 500, {"height": 30}), scores=[0.8, 0.9])
    assert score(truth, found, level="easy") == pytest.approx(100)  # lower than 40 pixels
    assert score(truth, found, level="moderate") == pytest.approx(50)


def test_harder_levels_look_for_more():
    truth = objects(("Car", 0), ("Car", 200, {"occlusion": 1}), ("Car", 400, {"occlusion": 2}))
    found = objects(("Car", 0), scores=[0.9])
    assert [score(truth, found, level=level) for level in LEVELS] == pytest.approx([100, 50, 100 * 13 / 40])


def test_a_wrong_orientation_lowers_only_its_own_figure():
    truth, found = objects(("Car", 0)), objects(("Car", 0, {"alpha": 0.3 + np.pi / 2}), scores=[0.9])
    assert score(truth, found) == pytest.approx(100)
    assert score(truth, found, "aos") == pytest.approx(50)  # (1 + cos 90 degrees) / 2
    away = objects(("Car", 0, {"alpha": 0.3 + np.pi}), scores=[0.9])
    assert score(truth, away, "aos") == pytest.approx(0)


def test_a_wrong_place_lowers_only_the_figures_in_space():
    truth, found = objects(("Car", 0)), objects(("Car", 0, {"moved": 2.5}), scores=[0.9])
    assert score(truth, found) == pytest.approx(100)
    assert score(truth, found, "bev") == pytest.approx(0)
    assert score(truth, found, "3d") == pytest.approx(0)


def test_less_overlap_can_be_asked_for():
    truth, found = objects(("Car", 0)), objects(("Car", 0, {"moved": 0.5}), scores=[0.9])
    assert score(truth, found, "bev") == pytest.approx(0)
    half = kitti_average_precision([truth], [found], ("Car",), min_overlaps={"Car": 0.5})
    assert half["Car"]["bev"]["easy"]["R40"] == pytest.approx(100)


def test_nothing_found_and_nothing_to_find():
    truth, nothing = objects(("Car", 0)), objects(scores=[])
    assert score(truth, nothing) == 0
    assert score(objects(), nothing) is None
    assert score(truth, nothing, name="Cyclist") is None


def test_wrong_input():
    with pytest.raises(UserError, match="expected detections of 1 frames, one each, got 0"):
        kitti_average_precision([objects()], [])
    with pytest.raises(UserError, match="expected detections with scores, got labels"):
        kitti_average_precision([objects(("Car", 0))], [objects(("Car", 0))])
