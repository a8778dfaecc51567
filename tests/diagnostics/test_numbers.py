"""The numbers of a report, compared with slow loops and pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from keras_centernet.diagnostics.calibration import calibration, calibration_error
from keras_centernet.diagnostics.confusion import confusion, errors_by_image
from keras_centernet.diagnostics.curves import SCORES, USUAL_THRESHOLD, best_thresholds, score_curves
from keras_centernet.diagnostics.matching import IGNORED, NONE, boxes_of, match

IMAGES, CLASSES = 12, 3


@pytest.fixture(params=[0, 1, 2])
def rows(request):
    """(annotations, detections): noisy objects, some missed, some of another class, some crowds."""
    rng = np.random.default_rng(request.param)
    truth, found = [], []
    for image in range(1, IMAGES + 1):
        for _ in range(rng.integers(0, 7)):
            box = np.array([*rng.uniform(0, 60, 2), *rng.uniform(10, 40, 2)])
            row = {"image_id": image, "category_id": int(rng.integers(1, CLASSES + 1)), "bbox": box.tolist()}
            truth.append(row | {"id": len(truth) + 1, "area": box[2] * box[3], "iscrowd": int(rng.random() < 0.15)})
            for _ in range(rng.integers(0, 4)):
                noisy = (box + rng.normal(0, 4, 4)).clip(1)
                category = row["category_id"] if rng.random() < 0.8 else int(rng.integers(1, CLASSES + 1))
                found.append(
                    {"image_id": image, "category_id": category, "bbox": noisy.tolist(), "score": rng.random()}
                )
    return truth, found


@pytest.fixture
def boxes(rows):
    return tuple(map(boxes_of, rows))


def iou_of(one, other):
    (x, y, w, h), (u, v, s, t) = one, other
    common = max(0, min(x + w, u + s) - max(x, u)) * max(0, min(y + h, v + t) - max(y, v))
    return common / (w * h + s * t - common), common / (w * h)


def slow_match(truth, found, within_class):
    """Matches the detections one by one, best score first."""
    result, taken = [NONE] * len(found), set()
    for i in sorted(range(len(found)), key=lambda i: -found[i]["score"]):
        best, is_excused = 0.5, False
        for j, thing in enumerate(truth):
            if thing["image_id"] != found[i]["image_id"]:
                continue
            if within_class and thing["category_id"] != found[i]["category_id"]:
                continue
            overlap, inside = iou_of(found[i]["bbox"], thing["bbox"])
            if thing["iscrowd"]:
                is_excused |= inside >= 0.5
            elif j not in taken and overlap >= best:
                best, result[i] = overlap, j
        taken.add(result[i])
        if result[i] == NONE and is_excused:
            result[i] = IGNORED
    return result


@pytest.mark.parametrize("within_class", [True, False])
def test_matching_equals_a_slow_loop(rows, boxes, within_class):
    assert match(*boxes, within_class).tolist() == slow_match(*rows, within_class)


def test_matching_equals_pycocotools(rows, boxes):
    truth, found = rows
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(1, IMAGES + 1)],
            "categories": [{"id": i} for i in range(1, CLASSES + 1)],
            "annotations": truth,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(row) for row in found]), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
    right, ignored = 0, 0
    for image in filter(None, evaluation.evalImgs):
        right += int(((image["dtMatches"] > 0) & ~image["dtIgnore"].astype(bool)).sum())
        ignored += int(image["dtIgnore"].sum())
    matched = match(*boxes)
    assert ((matched >= 0).sum(), (matched == IGNORED).sum()) == (right, ignored)


def test_curves_count_what_each_score_keeps(rows, boxes):
    curves = score_curves(*boxes, CLASSES)
    truth, found = rows
    matched = slow_match(truth, found, True)
    for i in range(CLASSES):
        objects = sum(row["category_id"] == i + 1 and not row["iscrowd"] for row in truth)
        for k in (0, 17, 50, 93):
            kept = [m for m, row in zip(matched, found, strict=True) if row["category_id"] == i + 1 and m != IGNORED
                    and row["score"] >= SCORES[k]]  # fmt: skip
            right = sum(m >= 0 for m in kept)
            assert curves["recall"][i, k] == pytest.approx(right / objects)
            assert curves["precision"][i, k] == pytest.approx(right / len(kept) if kept else np.nan, nan_ok=True)
            assert curves["f1"][i, k] == pytest.approx(2 * right / (len(kept) + objects))


def test_the_best_threshold_is_the_middle_of_the_thresholds_with_the_best_f1():
    f1 = np.zeros((3, 101))
    f1[0, 40:61], f1[1, 20] = 0.7, 0.4
    assert best_thresholds({"f1": f1}) == pytest.approx([0.5, 0.2, USUAL_THRESHOLD])


def test_confusion_counts_every_object_and_detection_once(rows, boxes):
    truth, found = rows
    thresholds = np.array([0.2, 0.5, 0.4])
    kept = [row for row in found if row["score"] >= thresholds[row["category_id"] - 1]]
    expected = np.zeros((CLASSES + 1, CLASSES + 1), int)
    matched = slow_match(truth, kept, False)
    for j, row in zip(matched, kept, strict=True):
        if j != IGNORED:
            expected[truth[j]["category_id"] - 1 if j >= 0 else CLASSES, row["category_id"] - 1] += 1
    for j, row in enumerate(truth):
        if not row["iscrowd"] and j not in matched:
            expected[row["category_id"] - 1, CLASSES] += 1
    counts = confusion(*boxes, thresholds)
    np.testing.assert_array_equal(counts, expected)
    assert counts[:CLASSES].sum() == sum(not row["iscrowd"] for row in truth)


def test_errors_of_images_are_their_missed_objects_and_wrong_detections(rows, boxes):
    truth, found = rows
    ids = np.arange(IMAGES, 0, -1)
    kept = [row for row in found if row["score"] >= 0.5]
    matched = slow_match(truth, kept, True)
    counts = errors_by_image(*boxes, np.full(CLASSES, 0.5), ids)
    for image, (missed, wrong) in zip(ids, counts, strict=True):
        assert missed == sum(
            t["image_id"] == image and not t["iscrowd"] and j not in matched for j, t in enumerate(truth)
        )
        assert wrong == sum(m == NONE and row["image_id"] == image for m, row in zip(matched, kept, strict=True))


def test_calibration_is_precision_by_tenths_of_the_score(rows, boxes):
    matched = slow_match(*rows, True)
    bins, error, total = calibration(*boxes), 0.0, 0
    for i in range(10):
        ours = [(row["score"], m >= 0) for row, m in zip(rows[1], matched, strict=True)
                if m != IGNORED and i / 10 <= row["score"] < (i + 1) / 10]  # fmt: skip
        assert bins["count"][i] == len(ours)
        if ours:
            score, precision = np.mean(ours, axis=0)
            assert (bins["score"][i], bins["precision"][i]) == pytest.approx((score, precision))
            error, total = error + abs(score - precision) * len(ours), total + len(ours)
    assert calibration_error(bins) == pytest.approx(error / total)


def test_nothing_found_and_nothing_to_find_are_fine():
    nothing = boxes_of([])
    curves = score_curves(nothing, nothing, 2)
    assert best_thresholds(curves).tolist() == [USUAL_THRESHOLD] * 2
    assert confusion(nothing, nothing, np.full(2, 0.3)).sum() == 0
    assert errors_by_image(nothing, nothing, np.full(2, 0.3), np.array([4, 7])).tolist() == [[0, 0], [0, 0]]
    assert np.isnan(calibration_error(calibration(nothing, nothing)))
