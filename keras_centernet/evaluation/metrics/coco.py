"""COCO's average precision of boxes, computed by pycocotools without its printing."""

import contextlib
import io

import numpy as np

from keras_centernet.errors import UserError

# Row of pycocotools' `stats` behind each metric.
STATS = {
    "AP": 0,
    "AP50": 1,
    "AP75": 2,
    "APs": 3,
    "APm": 4,
    "APl": 5,
    "AR1": 6,
    "AR10": 7,
    "AR100": 8,
}
# Places on pycocotools' axes: IoU thresholds, areas, detections per image.
IOU_50, ALL_AREAS, MAX_100 = 0, 0, -1


def coco_average_precision(ground_truth: dict, detections: list[dict]) -> dict:
    """Returns COCO's metrics of detected boxes.

    A metric that is not defined because there is no ground truth for it (a class without objects, no
    small objects, nothing at all) is None, where pycocotools says -1. Classes without objects do not
    count in any mean.

    Args:
        ground_truth: {"images": [{"id"}], "categories": [{"id", "name"}], "annotations": [{"image_id",
            "category_id", "bbox": [x, y, width, height], "area" (default width * height), "iscrowd"
            (default 0)}]}, as in COCO's files. It is not changed.
        detections: [{"image_id", "category_id", "bbox", "score"}], as in COCO's result files; may be empty.

    Returns:
        "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100": float or None;
        "per_class": {class name: {"AP", "AP50"}}.

    Raises:
        UserError: a detection or annotation of an unknown image or class.

    Source: pycocotools.cocoeval, with its default parameters.
    """
    return evaluate_coco(ground_truth, detections)[0]


def evaluate_coco(ground_truth: dict, detections: list[dict]) -> tuple[dict, dict]:
    """Returns the metrics of `coco_average_precision`, and the precision-recall arrays of each class.

    Returns:
        (metrics, {class name: {"recall": (101,), "precision": (101,), "score": (101,) float64}}) at IoU
        0.5. The score is the lowest that reaches that recall, 0 where it is never reached. Classes
        without ground truth are left out.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    check_references(ground_truth, detections)
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = COCO(), COCO()
        truth.dataset = {**ground_truth, "annotations": _annotations(ground_truth["annotations"])}
        results.dataset = {**ground_truth, "annotations": _annotations(detections)}
        truth.createIndex()
        results.createIndex()
        evaluation = COCOeval(truth, results, "bbox")
        if not ground_truth["images"] or not ground_truth["categories"]:
            return {**dict.fromkeys(STATS), "per_class": {}}, {}
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    metrics = {name: _none_if_undefined(evaluation.stats[row]) for name, row in STATS.items()}
    names = {row["id"]: row["name"] for row in ground_truth["categories"]}
    ordered_names = [names[i] for i in evaluation.params.catIds]
    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, MAX_100]  # (IoU, recall, class)
    score = evaluation.eval["scores"][IOU_50, :, :, ALL_AREAS, MAX_100]
    metrics["per_class"] = {
        name: {
            "AP": _none_if_undefined(precision[:, :, k].mean()),
            "AP50": _none_if_undefined(precision[IOU_50, :, k].mean()),
        }
        for k, name in enumerate(ordered_names)
    }
    curves = {
        name: {
            "recall": evaluation.params.recThrs.copy(),
            "precision": precision[IOU_50, :, k].copy(),
            "score": score[:, k].copy(),
        }
        for k, name in enumerate(ordered_names)
        if metrics["per_class"][name]["AP"] is not None
    }
    return metrics, curves


def _annotations(rows: list[dict]) -> list[dict]:
    """Returns copies with what pycocotools needs; ids start at 1 because it takes 0 for "no match"."""
    return [
        {
            **row,
            "id": i,
            "bbox": [float(v) for v in row["bbox"]],
            "area": float(row.get("area", row["bbox"][2] * row["bbox"][3])),
            "iscrowd": int(row.get("iscrowd", 0)),
        }
        for i, row in enumerate(rows, start=1)
    ]


def check_references(ground_truth: dict, detections: list[dict]) -> None:
    """Raises a UserError at the first annotation or detection of an unknown image or class."""
    images = {row["id"] for row in ground_truth["images"]}
    categories = {row["id"] for row in ground_truth["categories"]}
    for what, rows in {"annotation": ground_truth["annotations"], "detection": detections}.items():
        for i, row in enumerate(rows):
            for key, known in (("image_id", images), ("category_id", categories)):
                if row[key] not in known:
                    raise UserError(
                        f"{what} {i}: expected {key} to be one of the {len(known)} of the ground truth, "
                        f"got {row[key]!r}."
                    )


def _none_if_undefined(value: float) -> float | None:
    return None if np.isnan(value) or value < 0 else float(value)
