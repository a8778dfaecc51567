"""KITTI's rules one by one, on frames that are small enough to count by hand."""

import dataclasses

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.data.formats.kitti.labels import TYPES, KittiObjects, objects_of
from keras_centernet.evaluation.metrics.kitti import DIFFICULTIES, KINDS, kitti_average_precision

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
    """With few and with many objects, at every difficulty level."""
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
    # Recall 1/2 at precision 1 reaches recalls up to 20/40: 20 of the 40 points and 6 of the 11.
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
def test_detections_that_are_not_counted_as_wrong(name, other, expected):
    truth = objects(("Car", 0), other)
    found = objects(("Car", 0), ("Car", 500), scores=[0.8, 0.9])
    assert score(truth, found) == pytest.approx(expected)


def test_small_detections_are_ignored():
    truth = objects(("Car", 0))
    found = objects(("Car", 0), ("Car", 500, {"height": 30}), scores=[0.8, 0.9])
    assert score(truth, found, level="easy") == pytest.approx(100)  # it is lower than 40 pixels
    assert score(truth, found, level="moderate") == pytest.approx(50)


def test_a_small_detection_of_another_class_can_take_an_object():
    """The benchmark ignores small detections before it looks at their class."""
    truth = objects(("Car", 0, {"height": 41.0}))
    found = objects(("Car", 0, {"height": 41.0}), ("Pedestrian", 0, {"height": 39.0}), scores=[0.8, 0.9])
    assert score(truth, found, level="easy") == 0  # the small one has the best score, but is no true positive
    assert score(truth, found, level="moderate") == pytest.approx(100)


def test_regions_count_only_in_the_image():
    """In 3D, a DontCare region lies a kilometre away, so detections in it stay wrong."""
    truth = objects(("Car", 0), ("DontCare", 490, {"width": 90.0, "height": 90.0, "moved": -1000.0}))
    found = objects(("Car", 0), ("Car", 500), scores=[0.8, 0.9])
    assert [score(truth, found, kind) for kind in ("2d", "bev", "3d")] == pytest.approx([100, 50, 50])


def test_harder_levels_look_for_more():
    truth = objects(("Car", 0), ("Car", 200, {"occlusion": 1}), ("Car", 400, {"occlusion": 2}))
    found = objects(("Car", 0), scores=[0.9])
    assert [score(truth, found, level=level) for level in LEVELS] == pytest.approx([100, 50, 100 * 13 / 40])


def test_a_wrong_orientation_lowers_only_its_own_metric():
    truth, found = objects(("Car", 0)), objects(("Car", 0, {"alpha": 0.3 + np.pi / 2}), scores=[0.9])
    assert score(truth, found) == pytest.approx(100)
    assert score(truth, found, "aos") == pytest.approx(50)  # (1 + cos 90 degrees) / 2
    away = objects(("Car", 0, {"alpha": 0.3 + np.pi}), scores=[0.9])
    assert score(truth, away, "aos") == pytest.approx(0)


def test_a_wrong_location_lowers_only_the_3d_metrics():
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


def random_scene(rng, frames):
    """Labels of every kind and detections near them: some of another class, some duplicates, many equal scores."""
    truth, found = [], []
    for _ in range(frames):
        rows, guesses = [], []
        for position in range(rng.integers(0, 9)):
            size = {"width": rng.uniform(20, 90), "height": rng.uniform(15, 120), "alpha": rng.uniform(-3, 3)}
            more = {
                "occlusion": rng.choice([0, 0, 0, 1, 2, 3]),
                "truncation": rng.choice([0, 0, 0, 0.15, 0.2, 0.4, 0.6]),
            }
            kind = rng.choice(["Car", "Car", "Car", "Van", "Pedestrian", "DontCare"])
            rows.append((kind, 100 * position, {**size, **more}))
            for _ in range(rng.integers(0, 3)):
                near = {key: value * rng.uniform(0.9, 1.1) for key, value in size.items()}
                guess = rng.choice(["Car", "Car", "Car", "Pedestrian"])
                guesses.append((guess, 100 * position + rng.normal(0, 3), {**near, "moved": rng.normal(0, 0.15)}))
        truth.append(objects(*rows))
        found.append(objects(*guesses, scores=rng.random(len(guesses)).round(2)))
    return truth, found


def roles(truth, found, name, level):
    """The roles of labels and of detections: 0 counts, 1 is ignored, -1 has another class."""
    labels, guesses = [], []
    for i, kind in enumerate(truth.types):
        height = truth.boxes_xyxy[i, 3] - truth.boxes_xyxy[i, 1]
        is_beyond = truth.occlusions[i] > level.highest_occlusion or truth.truncations[i] > level.highest_truncation
        is_beyond = is_beyond or height <= level.lowest_height
        is_neighbour = (name, kind) in {("Car", "Van"), ("Pedestrian", "Person_sitting")}
        labels.append(1 if is_neighbour or (kind == name and is_beyond) else 0 if kind == name else -1)
    for i, kind in enumerate(found.types):
        is_low = found.boxes_xyxy[i, 3] - found.boxes_xyxy[i, 1] < level.lowest_height
        guesses.append(1 if is_low else 0 if kind == name else -1)
    return labels, guesses


def count_one_by_one(truth, found, kinds, overlaps, in_region, least, threshold=None):
    """The benchmark's program for one frame; returns (scores of hits, number of wrong ones, summed similarity)."""
    labels, guesses = kinds
    usable = [kind != -1 and (threshold is None or found.scores[j] >= threshold) for j, kind in enumerate(guesses)]
    hits, similarity = [], 0.0
    for i in range(len(labels)):
        best = None
        for j in range(len(guesses)):
            if labels[i] == -1 or not usable[j] or not overlaps[j, i] > least:
                continue
            if best is None:
                best = j
            elif threshold is None:
                best = j if found.scores[j] > found.scores[best] else best
            elif guesses[j] == 0:
                best = j if guesses[best] == 1 or overlaps[j, i] > overlaps[best, i] else best
        if best is not None:
            usable[best] = False
            if labels[i] == guesses[best] == 0:
                hits.append(found.scores[best])
                similarity += (1 + np.cos(truth.alphas[i] - found.alphas[best])) / 2
    wrong = sum(usable[j] and guesses[j] == 0 and not in_region[j] > least for j in range(len(guesses)))
    return hits, wrong, similarity


def official_metrics(truth, found, kind, level, least=0.7):
    """[{"R11", "R40"} of cars, the same of their orientation], one detection at a time, for more than 40 objects."""
    frames, scores, count = [], [], 0
    for labels, guesses in zip(truth, found, strict=True):
        overlaps, in_region = KINDS[kind](guesses, labels), np.zeros(len(guesses))
        for x1, y1, x2, y2 in labels.boxes_xyxy[[kind == "DontCare" for kind in labels.types]] * (kind == "2d"):
            for j, (u1, v1, u2, v2) in enumerate(guesses.boxes_xyxy):
                shared = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
                in_region[j] = max(in_region[j], shared / ((u2 - u1) * (v2 - v1)))
        frames.append((labels, guesses, roles(labels, guesses, "Car", level), overlaps, in_region, least))
        scores += count_one_by_one(*frames[-1])[0]
        count += frames[-1][2][0].count(0)
    assert count > 40
    scores.sort(reverse=True)
    precision, orientation, recall, step = [0.0] * 41, [0.0] * 41, 0.0, 0
    for i, threshold in enumerate(scores):
        is_last = i == len(scores) - 1
        if not is_last and (i + 2) / count - recall < recall - (i + 1) / count:
            continue
        counts = [count_one_by_one(*frame, threshold) for frame in frames]
        hits, wrong = sum(len(row[0]) for row in counts), sum(row[1] for row in counts)
        precision[step] = hits / (hits + wrong)
        orientation[step] = sum(row[2] for row in counts) / (hits + wrong)
        step, recall = step + 1, recall + 1 / 40
    best = [[max(values[k:]) for k in range(41)] for values in (precision, orientation)]
    return [{"R11": 100 * sum(row[::4]) / 11, "R40": 100 * sum(row[1:]) / 40} for row in best]


@pytest.fixture(scope="module")
def measured():
    """(labels, detections, metrics of the cars) of many frames."""
    truth, found = random_scene(np.random.default_rng(7), 150)
    return truth, found, kitti_average_precision(truth, found, ("Car",))["Car"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", DIFFICULTIES)
def test_equals_the_benchmark_written_as_a_loop(measured, kind, level):
    truth, found, ours = measured
    precision, orientation = official_metrics(truth, found, kind, DIFFICULTIES[level])
    assert ours[kind][level] == pytest.approx(precision)
    assert 5 < precision["R40"] < 95
    if kind == "2d":
        assert ours["aos"][level] == pytest.approx(orientation)


def test_objects_of_a_batch_are_those_of_its_frame():
    """A DontCare region is listed once per class, but counts once. An object without a 3D box becomes one, too."""
    rows = {
        "mask": np.array([True] * 6 + [False]),
        "classes": np.array([1, 0, 1, 2, 1, 0, 0]),
        "kitti_types": np.array([TYPES.index(name) for name in ("Car", *["DontCare"] * 3, "Car", "Pedestrian", "Car")]),
        "dimensions_hwl": np.array([[1.5, 1.6, 3.9], *[[-1, -1, -1]] * 3, [0, 0, 0], [1.7, 0.6, 0.8], [0, 0, 0]]),
        "locations_xyz": np.ones((7, 3)),
        **{name: np.zeros(7) for name in ("alphas", "rotations_y", "truncations")},
        "occlusions": np.zeros(7, int),
    }
    found = objects_of(rows, np.arange(28).reshape(7, 4))
    assert found.types == ("Car", "DontCare", "DontCare", "Pedestrian")
    np.testing.assert_array_equal(found.boxes_xyxy[:, 0], [0, 4, 16, 20])
