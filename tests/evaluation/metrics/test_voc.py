"""Pascal VOC mAP: small cases worked out by hand, and a loop in the words of the development kit."""

import numpy as np
import pytest

from keras_centernet.evaluation.metrics.voc import (
    area_ap,
    eleven_point_ap,
    inclusive_iou,
    precision_recall,
    voc_average_precision,
)

A, B = [0, 0, 9, 9], [100, 0, 9, 9]  # [x, y, width, height]: 10 x 10 inclusive pixels each
NOWHERE, FAR = [500, 500, 9, 9], [50, 0, 200, 200]


def obj(bbox, image_id=0, **more):
    return {"image_id": image_id, "category_id": 1, "bbox": bbox, **more}


def det(bbox, score, image_id=0):
    return {"image_id": image_id, "category_id": 1, "bbox": bbox, "score": score}


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        pytest.param(A, A, 1.0, id="the same"),
        pytest.param(A, NOWHERE, 0.0, id="apart"),
        pytest.param(A, [9, 0, 9, 9], 10 / 190, id="the last column is shared: inclusive pixels"),
        pytest.param(A, [10, 0, 9, 9], 0.0, id="side by side"),
        pytest.param(A, [0, 0, 9, 4], 0.5, id="the upper half"),
        pytest.param([3, 3, 0, 0], [3, 3, 0, 0], 1.0, id="one pixel"),
    ],
)
def test_inclusive_iou(box, other, expected):
    assert inclusive_iou(np.array([box], float), np.array([other], float)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "found", "recall", "precision"),
    [
        pytest.param([obj(A)], [], [], [], id="nothing found"),
        pytest.param([obj(A)], [det(A, 0.9)], [1], [1], id="found"),
        pytest.param([obj(A)], [det(A, 0.9), det(A, 0.8)], [1, 1], [1, 1 / 2], id="found twice: one is false"),
        pytest.param([obj(A)], [det([0, 0, 9, 4], 0.9)], [1], [1], id="exactly at the threshold"),
        pytest.param([obj(A)], [det(A, 0.9, image_id=1)], [0], [0], id="in another image"),
        pytest.param(
            [obj(A), obj(B)],
            [det(B, 0.3), det(NOWHERE, 0.5), det(A, 0.9)],
            [1 / 2, 1 / 2, 1],
            [1, 1 / 2, 2 / 3],
            id="ranked by score",
        ),
        pytest.param([obj(A), obj(B, difficult=1)], [det(B, 0.9), det(A, 0.8)], [1], [1], id="difficult found"),
        pytest.param([obj(A), obj(B, difficult=1)], [det(A, 0.8)], [1], [1], id="difficult missed"),
        pytest.param([obj(A), obj(B, difficult=1)], [det(B, 0.9), det(B, 0.8)], [], [], id="difficult found twice"),
        pytest.param([obj(A), obj(B, iscrowd=1)], [det(B, 0.9)], [], [], id="a crowd is ignored alike"),
        pytest.param(
            [obj(A), obj(FAR, hidden=1, iscrowd=1)], [det(B, 0.9), det(A, 0.8)], [1], [1], id="inside a hidden region"
        ),
        pytest.param([obj(A), obj(FAR, hidden=1)], [det(B, 0.9), det(B, 0.8)], [], [], id="twice inside it"),
        pytest.param([obj(A), obj([105, 0, 60, 60], hidden=1)], [det(B, 0.9)], [], [], id="half inside it"),
        pytest.param([obj(A), obj([106, 0, 60, 60], hidden=1)], [det(B, 0.9)], [0], [0], id="less inside it"),
        pytest.param([obj(B), obj(FAR, hidden=1)], [det(B, 0.9)], [1], [1], id="an object inside a hidden region"),
        pytest.param(
            [obj(B), obj(FAR, hidden=1)], [det(B, 0.9), det(B, 0.8)], [1], [1], id="found twice in a hidden region"
        ),
        pytest.param([obj(A), obj(FAR, image_id=1, hidden=1)], [det(B, 0.9)], [0], [0], id="hidden in another image"),
    ],
)
def test_precision_recall_by_hand(truth, found, recall, precision):
    received = precision_recall(truth, found)
    np.testing.assert_allclose(received[0], recall)
    np.testing.assert_allclose(received[1], precision)


@pytest.mark.parametrize(
    "truth",
    [pytest.param([], id="no object"), pytest.param([obj(A, difficult=1), obj(FAR, hidden=1)], id="none counts")],
)
def test_without_countable_objects_nothing_is_defined(truth):
    assert precision_recall(truth, [det(A, 0.9)]) == (None, None)
    metrics = voc_average_precision(
        {"images": [{"id": 0}], "categories": [{"id": 1, "name": "cell"}], "annotations": truth}, [det(A, 0.9)]
    )
    assert metrics == {
        "VOC07_mAP50": None,
        "VOC_mAP50": None,
        "per_class": {"cell": {"VOC07_AP50": None, "VOC_AP50": None}},
    }


@pytest.mark.parametrize(
    ("recall", "precision", "eleven", "area"),
    [
        pytest.param([], [], 0.0, 0.0, id="nothing found"),
        pytest.param([1.0], [1.0], 1.0, 1.0, id="perfect"),
        pytest.param([0.5], [1.0], 6 / 11, 0.5, id="half found: levels 0 to 0.5"),
        # Precision 1 up to recall 0.5, then 2/3 (not 1/2: the best at that recall or beyond).
        pytest.param([0.5, 0.5, 1.0], [1.0, 0.5, 2 / 3], (6 + 5 * 2 / 3) / 11, (1 + 2 / 3) / 2, id="envelope"),
        pytest.param([0.0, 1.0], [0.0, 0.5], 0.5, 0.5, id="a false one first"),
    ],
)
def test_the_two_averages_by_hand(recall, precision, eleven, area):
    recall, precision = np.array(recall), np.array(precision)
    assert eleven_point_ap(recall, precision) == pytest.approx(eleven)
    assert area_ap(recall, precision) == pytest.approx(area)


def devkit_loop(truth, found):
    """VOCevaldet.m, one detection at a time; returns (11-point AP, area AP)."""
    taken, tp, fp = set(), [0], [0]
    for d in sorted(found, key=lambda row: -row["score"]):
        best, best_overlap = None, -np.inf
        for j, g in enumerate(truth):
            if g["image_id"] != d["image_id"]:
                continue
            bi = [
                max(d["bbox"][0], g["bbox"][0]),
                max(d["bbox"][1], g["bbox"][1]),
                min(d["bbox"][0] + d["bbox"][2], g["bbox"][0] + g["bbox"][2]),
                min(d["bbox"][1] + d["bbox"][3], g["bbox"][1] + g["bbox"][3]),
            ]
            iw, ih = bi[2] - bi[0] + 1, bi[3] - bi[1] + 1
            if iw > 0 and ih > 0:
                areas = [(r["bbox"][2] + 1) * (r["bbox"][3] + 1) for r in (d, g)]
                overlap = iw * ih / (sum(areas) - iw * ih)
                if overlap > best_overlap:
                    best, best_overlap = j, overlap
        is_true = is_false = 0
        if best_overlap >= 0.5:
            if not truth[best].get("difficult"):
                is_true, is_false = (0, 1) if best in taken else (1, 0)
                taken.add(best)
        else:
            is_false = 1
        tp.append(tp[-1] + is_true)
        fp.append(fp[-1] + is_false)
    total = sum(not g.get("difficult") for g in truth)
    rec = [t / total for t in tp]
    prec = [t / max(t + f, 1) for t, f in zip(tp, fp, strict=True)]
    levels = [max([p for r, p in zip(rec, prec, strict=True) if r >= t], default=0) for t in np.arange(11) / 10]
    mrec, mpre = [0, *rec, 1], [0, *prec, 0]
    for i in reversed(range(len(mpre) - 1)):
        mpre[i] = max(mpre[i], mpre[i + 1])
    return np.mean(levels), sum((mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)))


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_development_kit_written_as_a_loop(seed):
    rng = np.random.default_rng(seed)
    truth = [
        obj([*rng.uniform(0, 100, 2), *rng.uniform(10, 60, 2)], int(rng.integers(4)), difficult=int(rng.random() < 0.2))
        for _ in range(30)
    ]
    found = []
    for row in truth * 2:
        if rng.random() < 0.8:
            box = np.array(row["bbox"]) + rng.normal(0, 4, 4)
            found.append(det(box.clip(1).tolist(), float(rng.random()), row["image_id"]))
    categories = [{"id": 1, "name": "cell"}]

    metrics = voc_average_precision({"categories": categories, "annotations": truth}, found)

    eleven, area = devkit_loop(truth, found)
    assert metrics["VOC07_mAP50"] == pytest.approx(eleven, abs=1e-12)
    assert metrics["VOC_mAP50"] == pytest.approx(area, abs=1e-12)


def test_the_mean_leaves_out_classes_without_objects():
    categories = [{"id": 1, "name": "cell"}, {"id": 2, "name": "unseen"}]
    metrics = voc_average_precision({"categories": categories, "annotations": [obj(A)]}, [det(A, 0.9)])
    assert metrics["VOC_mAP50"] == 1.0
    assert metrics["per_class"]["unseen"] == {"VOC07_AP50": None, "VOC_AP50": None}
