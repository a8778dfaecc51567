"""Detections and the objects that they found, at IoU 0.5."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_centernet.geometry import box_areas, box_intersections, box_iou

IOU = 0.5
NONE, IGNORED = -1, -2  # what a detection may match instead of an object


@dataclasses.dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of all images, objects or detections.

    Attributes:
        images: (N,) int64 image ids.
        classes: (N,) int64 class indices.
        boxes_xyxy: (N, 4) float64 image pixels.
        scores: (N,) float64; 1 for objects.
        is_ignored: (N,) bool: crowds and hidden regions; detections inside them are neither right nor wrong.
    """

    images: np.ndarray
    classes: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray
    is_ignored: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: np.ndarray) -> "Boxes":
        return Boxes(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


def boxes_of(rows: Sequence[dict]) -> Boxes:
    """Returns COCO annotations or results as arrays."""
    boxes_xyxy = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    boxes_xyxy[:, 2:] += boxes_xyxy[:, :2]
    return Boxes(
        np.array([row["image_id"] for row in rows], np.int64),
        np.array([row["category_id"] for row in rows], np.int64) - 1,
        boxes_xyxy,
        np.array([row.get("score", 1.0) for row in rows], np.float64),
        np.array([row.get("iscrowd", 0) for row in rows], bool),
    )


def match(truth: Boxes, found: Boxes, within_class: bool = True) -> np.ndarray:
    """Returns (D,) int64: which object each detection found, NONE or IGNORED.

    As COCO matches: in the order of scores, each detection takes the free object that it overlaps most, if their IoU is
    at least 0.5. A detection that takes none is ignored if at least half of it lies in an ignored region.

    Args:
        truth, found: N objects and D detections.
        within_class: whether a detection can only find objects of its own class.
    """
    matched = np.full(len(found), NONE, np.int64)
    detections, objects, overlaps, inside = _pairs(truth, found, within_class)
    ignored = truth.is_ignored[objects]
    usual = ~ignored & (overlaps >= IOU)
    detections_in, objects_in = detections[usual], objects[usual]
    order = np.lexsort((-overlaps[usual], detections_in, -found.scores[detections_in]))
    taken = np.zeros(len(truth), bool)
    for detection, thing in zip(detections_in[order].tolist(), objects_in[order].tolist(), strict=True):
        if matched[detection] == NONE and not taken[thing]:  # few pairs reach this IoU: the loop is short
            matched[detection], taken[thing] = thing, True
    excused = np.zeros(len(found), bool)
    excused[detections[ignored & (inside >= IOU)]] = True
    matched[excused & (matched == NONE)] = IGNORED
    return matched


def _pairs(truth: Boxes, found: Boxes, within_class: bool) -> tuple[np.ndarray, ...]:
    """Returns (detections, objects, IoU, share of the detection inside the object) of all overlapping pairs."""
    by_image = np.argsort(truth.images, kind="stable")
    of_found = np.argsort(found.images, kind="stable")
    images, starts = np.unique(found.images[of_found], return_index=True)
    ends = [*starts[1:], len(of_found)]
    first = np.searchsorted(truth.images[by_image], images)
    last = np.searchsorted(truth.images[by_image], images, side="right")
    parts = []
    for i in np.flatnonzero(last > first):
        ours, theirs = of_found[starts[i] : ends[i]], by_image[first[i] : last[i]]
        boxes_xyxy, objects_xyxy = found.boxes_xyxy[ours], truth.boxes_xyxy[theirs]
        overlaps, inside = box_iou(boxes_xyxy, objects_xyxy), _shares_inside(boxes_xyxy, objects_xyxy)
        keep = inside > 0
        if within_class:
            keep &= found.classes[ours][:, None] == truth.classes[theirs]
        rows, columns = np.nonzero(keep)
        parts.append((ours[rows], theirs[columns], overlaps[keep], inside[keep]))
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def _shares_inside(boxes_xyxy: np.ndarray, others_xyxy: np.ndarray) -> np.ndarray:
    """Returns (N, M): the share of each box's area that lies inside each of the others."""
    areas = np.maximum(box_areas(boxes_xyxy), np.finfo(np.float64).tiny)
    return box_intersections(boxes_xyxy, others_xyxy) / areas[:, None]
