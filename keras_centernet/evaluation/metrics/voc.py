"""Pascal VOC's mean average precision, in both of its forms."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from keras_centernet.evaluation.metrics.metric import Accumulator, mean_of_defined

RECALL_LEVELS_2007 = np.arange(11) / 10  # linspace gives 0.6000000000000001, which recall 15/25 misses


class VocPrecision(Accumulator):
    """Pascal VOC's mean average precision of boxes, in both of its forms."""

    def compute(self, ground_truth: dict, detections: list[dict], change: Callable = list) -> dict:
        """Returns the two means of `voc_average_precision`."""
        metrics = voc_average_precision(ground_truth, change(detections))
        return {name: metrics[name] for name in ("VOC07_mAP50", "VOC_mAP50")}


def voc_average_precision(ground_truth: dict, detections: list[dict], iou_threshold: float = 0.5) -> dict:
    """Returns Pascal VOC's mAP of detected boxes.

    Objects marked `difficult` (or `iscrowd`) are not counted, and a detection that finds one is neither right nor
    wrong. A wrong detection is not counted if at least `iou_threshold` of its area lies in a region marked `hidden`.
    A second detection of an object is a false positive. As in the VOC development kit, boxes are inclusive pixel
    coordinates: widths and heights in the overlap are x2 - x1 + 1 and y2 - y1 + 1, and an overlap equal to the
    threshold suffices.

    Args:
        ground_truth: COCO-format dict as for `coco_average_precision`; annotations may hold "difficult" and "hidden".
        detections: [{"image_id", "category_id", "bbox": [x, y, width, height], "score"}].
        iou_threshold: lowest overlap at which a detection finds an object.

    Returns:
        "VOC07_mAP50": mean over classes of the mean of the best precision at recall >= 0, 0.1, ..., 1 (VOC
        2007); "VOC_mAP50": mean area under the whole curve (VOC 2010 on); "per_class": {class name:
        {"VOC07_AP50", "VOC_AP50"}}. Numbers are None if the class, or every class, has no object that counts; such
        classes are not part of the means.

    Source: VOCevaldet.m of the VOC development kit.
    """
    per_class = {}
    truth, found = _by_class(ground_truth["annotations"]), _by_class(detections)
    for category in ground_truth["categories"]:
        recall, precision = precision_recall(truth[category["id"]], found[category["id"]], iou_threshold)
        per_class[category["name"]] = {
            "VOC07_AP50": None if recall is None else eleven_point_ap(recall, precision),
            "VOC_AP50": None if recall is None else area_ap(recall, precision),
        }
    return {
        "VOC07_mAP50": mean_of_defined([row["VOC07_AP50"] for row in per_class.values()]),
        "VOC_mAP50": mean_of_defined([row["VOC_AP50"] for row in per_class.values()]),
        "per_class": per_class,
    }


def precision_recall(truth: list[dict], found: list[dict], iou_threshold: float = 0.5) -> tuple:
    """Returns recall and precision of one class after each counted detection, best first; see `voc_average_precision`.

    They are (D,) float64 for the D detections that count; (None, None) if no object counts.
    """
    regions, truth = ([row for row in truth if bool(row.get("hidden")) == hidden] for hidden in (True, False))
    ignored = np.array([bool(row.get("difficult") or row.get("iscrowd")) for row in truth], bool)
    count = np.sum(~ignored)
    if count == 0:
        return None, None
    order = np.argsort([-row["score"] for row in found], kind="stable")
    found = [found[i] for i in order]
    overlap, match = _best_overlaps(truth, found)
    hit = overlap >= iou_threshold
    first = np.zeros(len(found), bool)
    hits = np.flatnonzero(hit)
    first[hits[np.unique(match[hits], return_index=True)[1]]] = True  # the best-scored one of each object
    in_region = _best_overlaps(regions, found, inclusive_share)[0] >= iou_threshold
    counted = ~(hit & ignored[match]) & (first | ~in_region)
    true_positives = np.cumsum(first[counted])
    return true_positives / count, true_positives / np.arange(1, counted.sum() + 1)


def eleven_point_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """Returns VOC 2007's AP: mean of the best precision at recall >= 0, 0.1, ..., 1."""
    return float(np.mean([np.max(precision[recall >= level], initial=0.0) for level in RECALL_LEVELS_2007]))


def area_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """Returns VOC 2010's AP: area under the curve, after precision was made to fall monotonically."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def _best_overlaps(
    truth: list[dict], found: list[dict], measure: Callable | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each detection its largest overlap (default: IoU) with an object, and the index of that object."""
    measure = measure or inclusive_iou
    overlap, match = np.full(len(found), -1.0), np.zeros(len(found), int)
    truth_ids, found_ids = (np.array([row["image_id"] for row in rows]) for rows in (truth, found))
    truth_boxes, found_boxes = (np.array([row["bbox"] for row in rows], float) for rows in (truth, found))
    for image_id in np.intersect1d(truth_ids, found_ids):
        in_truth, in_found = np.flatnonzero(truth_ids == image_id), np.flatnonzero(found_ids == image_id)
        table = measure(found_boxes[in_found], truth_boxes[in_truth])
        overlap[in_found] = table.max(axis=1)
        match[in_found] = in_truth[table.argmax(axis=1)]
    return overlap, match


def inclusive_iou(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    """Returns the (N, M) IoU of boxes that cover width + 1 pixels, from x to x + width inclusive."""
    intersection = _inclusive_intersection(boxes_xywh, others_xywh)
    return intersection / (_inclusive_area(boxes_xywh)[:, None] + _inclusive_area(others_xywh) - intersection)


def inclusive_share(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    """Returns the (N, M) shares of the boxes, in inclusive pixels, that lie inside the others."""
    return _inclusive_intersection(boxes_xywh, others_xywh) / _inclusive_area(boxes_xywh)[:, None]


def _inclusive_intersection(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    low, size = boxes_xywh[:, None, :2], boxes_xywh[:, None, 2:]
    other_low, other_size = others_xywh[None, :, :2], others_xywh[None, :, 2:]
    side = np.minimum(low + size, other_low + other_size) - np.maximum(low, other_low) + 1
    return np.prod(np.maximum(side, 0), axis=-1)


def _inclusive_area(boxes_xywh: np.ndarray) -> np.ndarray:
    return np.prod(boxes_xywh[:, 2:] + 1, axis=-1)


def _by_class(rows: list[dict]) -> dict[int, list[dict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["category_id"]].append(row)
    return groups
