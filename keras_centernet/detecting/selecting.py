"""Which detections are kept: by class, by region, and the best of those that overlap."""

import numbers
from collections.abc import Collection, Sequence

import numpy as np

from keras_centernet.errors import UserError, shown
from keras_centernet.geometry import box_iou


def in_classes(found, classes: Collection[str | int] | str | int) -> np.ndarray:
    """Returns (N,) bool: whether a detection's class is among the given names or indices."""
    wanted = {classes} if isinstance(classes, str | numbers.Integral) else set(classes)
    if any(isinstance(one, bool) or not isinstance(one, str | numbers.Integral) for one in wanted):
        raise UserError(f"classes: expected names or indices of classes, got {shown(classes)}.")
    pairs = zip(found.class_names, found.classes.tolist(), strict=True)
    return np.array([name in wanted or index in wanted for name, index in pairs], bool)


def in_region(found, region: Sequence | np.ndarray) -> np.ndarray:
    """Returns (N,) bool: whether the centre of a box lies in a region, see `Detections.filter`."""
    try:
        corners = np.asarray(region, np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.shape == (4,):
        x1, y1, x2, y2 = corners
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    if corners.ndim != 2 or len(corners) < 3 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        expected = "expected x1, y1, x2, y2 or at least three corners (x, y), in pixels"
        raise UserError(f"region: {expected}; got {shown(region)}.")
    return _in_polygon(found.boxes_xyxy.astype(np.float64).reshape(-1, 2, 2).mean(axis=1), corners)


def best_of_overlapping(found, iou: float) -> np.ndarray:
    """Returns the rows that greedy NMS keeps: of two boxes of one class with an IoU above `iou`, the better one."""
    boxes_xyxy = found.boxes_xyxy.astype(np.float64)
    overlaps = box_iou(boxes_xyxy, boxes_xyxy) > iou
    overlaps &= found.classes[:, None] == found.classes
    kept = np.ones(len(found), bool)
    for row in range(len(found)):  # best first
        if kept[row]:
            kept[row + 1 :] &= ~overlaps[row, row + 1 :]
    return np.flatnonzero(kept)


def _in_polygon(points_xy: np.ndarray, corners_xy: np.ndarray) -> np.ndarray:
    """Returns (N,) bool: whether a ray to the right of a point crosses the border an odd number of times."""
    ends_xy = np.roll(corners_xy, -1, axis=0)
    x, y = points_xy[:, 0, None], points_xy[:, 1, None]
    spans = (corners_xy[:, 1] > y) != (ends_xy[:, 1] > y)
    rise = np.where(ends_xy[:, 1] == corners_xy[:, 1], 1.0, ends_xy[:, 1] - corners_xy[:, 1])
    crossing = corners_xy[:, 0] + (y - corners_xy[:, 1]) * (ends_xy[:, 0] - corners_xy[:, 0]) / rise
    return (spans & (x < crossing)).sum(axis=1) % 2 == 1
