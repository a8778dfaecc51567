"""COCO's average precision of joints (object keypoint similarity), computed by pycocotools without its printing."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np

from keras_centernet.evaluation.metrics.coco import check_references

# Row of pycocotools' `stats` behind each metric.
STATS = {"OKS_AP": 0, "OKS_AP50": 1, "OKS_AP75": 2, "OKS_APm": 3, "OKS_APl": 4, "OKS_AR": 5}


def keypoint_average_precision(ground_truth: dict, detections: list[dict], sigmas: Sequence[float]) -> dict:
    """Returns COCO's metrics of detected joints.

    A metric without ground truth is None. Objects without a marked joint are ignored, as by COCO.

    Args:
        ground_truth: as in `coco_average_precision`; annotations also hold "keypoints", 3 K numbers x, y, v.
        detections: [{"image_id", "category_id", "score", "keypoints": 3 K numbers}].
        sigmas: K numbers, see `Skeleton`.

    Returns:
        The keys of `STATS`: float or None.

    Source: pycocotools.cocoeval with iouType "keypoints" (20 detections an image).
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    check_references(ground_truth, detections)
    if not ground_truth["images"] or not ground_truth["categories"]:
        return dict.fromkeys(STATS)
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = COCO(), COCO()
        truth.dataset = {**ground_truth, "annotations": _rows(ground_truth["annotations"])}
        results.dataset = {**ground_truth, "annotations": _rows(detections)}
        truth.createIndex()
        results.createIndex()
        evaluation = COCOeval(truth, results, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = {name: float(evaluation.stats[row]) for name, row in STATS.items()}
    return {name: None if value < 0 or np.isnan(value) else value for name, value in values.items()}


def _rows(rows: list[dict]) -> list[dict]:
    return [_row(row, i) for i, row in enumerate(rows, start=1)]


def _row(row: dict, number: int) -> dict:
    """A copy with what pycocotools needs; box and area of a detection are those of its joints, as by COCO."""
    xyv = np.asarray(row["keypoints"], np.float64).reshape(-1, 3)
    low, high = xyv[:, :2].min(axis=0), xyv[:, :2].max(axis=0)
    box_xywh = row.get("bbox") or [*low, *(high - low)]
    return {
        **row,
        "id": number,
        "keypoints": xyv.reshape(-1).tolist(),
        "num_keypoints": int(np.sum(xyv[:, 2] > 0)),
        "bbox": [float(v) for v in box_xywh],
        "area": float(row.get("area", box_xywh[2] * box_xywh[3])),
        "iscrowd": int(row.get("iscrowd", 0)),
    }
