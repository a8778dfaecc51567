"""COCO metrics: equal to pycocotools itself and to a slow loop written from COCO's definition."""

import contextlib
import copy
import io

import numpy as np
import pytest

from keras_centernet.errors import UserError
from keras_centernet.evaluation.metrics.coco import STATS, coco_average_precision, evaluate_coco

CATEGORIES = [{"id": 3, "name": "car"}, {"id": 7, "name": "dog"}, {"id": 9, "name": "unseen"}]
NAMES = tuple(STATS)


def truth_of(boxes, image_count=2):
    """COCO ground truth from rows (image_id, category_id, [x, y, w, h], iscrowd)."""
    return {
        "images": [{"id": i} for i in range(image_count)],
        "categories": CATEGORIES,
        "annotations": [
            {"id": i, "image_id": image, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            for i, (image, c, box, crowd) in enumerate(boxes, start=1)
        ],
    }


def exact_detections(truth):
    return [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.9}
        for a in truth["annotations"]
    ]


def random_case(seed, image_count=12, noise=6.0):
    """Objects of all COCO sizes, some crowds, and noisy, duplicate, missing and wrong detections."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(60):
        x, y, w, h = rng.uniform(0, 200), rng.uniform(0, 200), *rng.choice([20, 60, 150], 2)
        rows.append((int(rng.integers(image_count)), int(rng.choice([3, 7])), [x, y, float(w), float(h)], 0))
    rows += [(0, 3, [0.0, 0.0, 150.0, 90.0], 1), (1, 7, [20.0, 0.0, 300.0, 300.0], 1)]
    truth = truth_of(rows, image_count)
    found = []
    for row in truth["annotations"] * 2:
        if rng.random() < 0.7:
            box = (np.array(row["bbox"]) + rng.normal(0, noise, 4)).clip(1)
            category = int(rng.choice([row["category_id"], 3, 7], p=[0.8, 0.1, 0.1]))
            # Few distinct scores, because ties must be ordered as in pycocotools, too.
            found.append(
                {
                    "image_id": row["image_id"],
                    "category_id": category,
                    "bbox": box.tolist(),
                    "score": float(rng.integers(1, 20)) / 20,
                }
            )
    return truth, found


def direct_pycocotools(truth, found):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(4))
def test_equals_pycocotools_exactly(seed):
    truth, found = random_case(seed)
    expected = direct_pycocotools(truth, found)

    metrics, curves = evaluate_coco(truth, found)

    assert [metrics[name] for name in NAMES] == expected.stats[:9].tolist()
    for k, name in enumerate(["car", "dog"]):
        assert metrics["per_class"][name]["AP"] == expected.eval["precision"][:, :, k, 0, -1].mean()
        assert metrics["per_class"][name]["AP50"] == expected.eval["precision"][0, :, k, 0, -1].mean()
        np.testing.assert_array_equal(curves[name]["precision"], expected.eval["precision"][0, :, k, 0, -1])
        np.testing.assert_array_equal(curves[name]["score"], expected.eval["scores"][0, :, k, 0, -1])


def slow_average_precision(truth, found, category, iou_threshold):
    """COCO's AP of one class, one object at a time; without crowds."""

    def iou(a, b):
        width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        both = max(width, 0) * max(height, 0)
        return both / (a[2] * a[3] + b[2] * b[3] - both)

    objects = [a for a in truth["annotations"] if a["category_id"] == category]
    ranked = sorted((d for d in found if d["category_id"] == category), key=lambda d: -d["score"])
    taken, curve, hits = set(), [], 0
    for rank, detection in enumerate(ranked, start=1):
        best, best_iou = None, iou_threshold
        for a in objects:
            if a["image_id"] == detection["image_id"] and a["id"] not in taken:
                overlap = iou(detection["bbox"], a["bbox"])
                if overlap >= best_iou:
                    best, best_iou = a["id"], overlap
        if best is not None:
            taken.add(best)
            hits += 1
        curve.append((hits / len(objects), hits / rank))
    levels = [max([p for r, p in curve if r >= level], default=0.0) for level in np.linspace(0, 1, 101)]
    return sum(levels) / 101


@pytest.mark.parametrize("category", [3, 7])
def test_equals_a_slow_loop_of_the_definition(category):
    truth, found = random_case(5)
    truth["annotations"] = [a for a in truth["annotations"] if not a["iscrowd"]]
    for i, row in enumerate(found):
        row["score"] += i * 1e-6  # no ties: the loop sorts all images together
    name = {3: "car", 7: "dog"}[category]

    row = coco_average_precision(truth, found)["per_class"][name]

    slow = [slow_average_precision(truth, found, category, t) for t in np.linspace(0.5, 0.95, 10)]
    assert row["AP50"] == pytest.approx(slow[0], abs=1e-12)
    assert row["AP"] == pytest.approx(np.mean(slow), abs=1e-12)


ONE_CAR = truth_of([(0, 3, [10.0, 10.0, 50.0, 40.0], 0)])


@pytest.mark.parametrize(
    ("truth", "detections", "expected"),
    [
        pytest.param(truth_of([]), [], None, id="nothing to find, nothing found"),
        pytest.param(truth_of([]), exact_detections(ONE_CAR), None, id="nothing to find, something found"),
        pytest.param(truth_of([], image_count=0), [], None, id="no images"),
        pytest.param({**truth_of([]), "categories": []}, [], None, id="no classes"),
        pytest.param(ONE_CAR, [], 0.0, id="nothing found"),
        pytest.param(ONE_CAR, exact_detections(ONE_CAR), 1.0, id="perfect"),
        pytest.param(truth_of([(0, 3, [0.0, 0.0, 9.0, 9.0], 1)]), [], None, id="only a crowd: nothing that counts"),
    ],
)
def test_edges(truth, detections, expected):
    metrics = coco_average_precision(truth, detections)
    assert [metrics[name] for name in ("AP", "AP50", "AP75", "AR100")] == [pytest.approx(expected)] * 4


def test_perfect_detections_give_one_for_every_size():
    truth = truth_of([(0, 3, [0, 0, 20, 20], 0), (0, 7, [50, 50, 60, 60], 0), (1, 3, [9, 9, 200, 100], 0)])
    metrics = coco_average_precision(truth, exact_detections(truth))
    assert {name: metrics[name] for name in NAMES} == dict.fromkeys(NAMES, pytest.approx(1.0))


def test_a_class_without_objects_has_no_metrics_and_no_curve():
    metrics, curves = evaluate_coco(ONE_CAR, exact_detections(ONE_CAR))
    assert metrics["per_class"] == {
        "car": {"AP": pytest.approx(1.0), "AP50": pytest.approx(1.0)},
        "dog": {"AP": None, "AP50": None},
        "unseen": {"AP": None, "AP50": None},
    }
    assert list(curves) == ["car"]
    assert {key: values.shape for key, values in curves["car"].items()} == {
        "recall": (101,),
        "precision": (101,),
        "score": (101,),
    }


def test_an_annotation_with_id_zero_can_be_found():
    truth = copy.deepcopy(ONE_CAR)
    truth["annotations"][0]["id"] = 0
    assert coco_average_precision(truth, exact_detections(truth))["AP"] == pytest.approx(1.0)


def test_area_and_iscrowd_may_be_left_out():
    truth = copy.deepcopy(ONE_CAR)
    del truth["annotations"][0]["area"], truth["annotations"][0]["iscrowd"]
    assert coco_average_precision(truth, exact_detections(truth))["APm"] == pytest.approx(1.0)


def test_prints_nothing_and_leaves_its_arguments_alone(capfd):
    truth, found = random_case(0)
    before = copy.deepcopy((truth, found))
    coco_average_precision(truth, found)
    assert (truth, found) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"image_id": 99},
            "detection 0: expected image_id to be one of the 2 of the ground truth, got 99.",
            id="unknown image",
        ),
        pytest.param(
            {"category_id": 1},
            "detection 0: expected category_id to be one of the 3 of the ground truth, got 1.",
            id="unknown class",
        ),
    ],
)
def test_refuses_what_the_ground_truth_does_not_know(change, message):
    detection = {**exact_detections(ONE_CAR)[0], **change}
    with pytest.raises(UserError) as error:
        coco_average_precision(ONE_CAR, [detection])
    assert str(error.value) == message
