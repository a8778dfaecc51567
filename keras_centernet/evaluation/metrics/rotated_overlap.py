"""Overlap of boxes that stand on the ground at any angle: seen from above, and in space."""

import numpy as np

from keras_centernet.camera import box_corners
from keras_centernet.drawing.clipping import clip_path


def bird_eye_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the (N, M) intersection over union of footprints.

    Args:
        boxes: (N, 7) height, width, length, x, y, z, rotation_y in metres and radians.
        others: (M, 7) likewise.
    """
    intersection = footprint_intersection(boxes, others)
    areas, other_areas = boxes[:, 1] * boxes[:, 2], others[:, 1] * others[:, 2]
    return _ratio(intersection, areas[:, None] + other_areas - intersection)


def volume_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the (N, M) intersection over union of the boxes' volumes; y is the bottom, y - height the top."""
    bottom = np.minimum(boxes[:, None, 4], others[:, 4])
    top = np.maximum((boxes[:, 4] - boxes[:, 0])[:, None], others[:, 4] - others[:, 0])
    intersection = footprint_intersection(boxes, others) * np.maximum(bottom - top, 0)
    volumes, other_volumes = np.prod(boxes[:, :3], axis=1), np.prod(others[:, :3], axis=1)
    return _ratio(intersection, volumes[:, None] + other_volumes - intersection)


def footprint_intersection(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the (N, M) areas in which footprints intersect."""
    ours, theirs = _footprints(boxes), _footprints(others)
    distances = np.linalg.norm(boxes[:, None, [3, 5]] - others[:, [3, 5]], axis=-1)
    reach = np.hypot(boxes[:, 1], boxes[:, 2])[:, None] / 2 + np.hypot(others[:, 1], others[:, 2]) / 2
    areas = np.zeros((len(boxes), len(others)))
    for i, j in zip(*np.nonzero(distances < reach), strict=True):
        areas[i, j] = _area(_clip(ours[i], theirs[j]))
    return areas


def _footprints(boxes: np.ndarray) -> np.ndarray:
    """Returns (N, 4, 2) corners (x, z), anticlockwise in that plane."""
    corners = box_corners(boxes[:, :3], boxes[:, 3:6], boxes[:, 6])[:, :4][..., [0, 2]]
    return corners[:, ::-1]


def _clip(polygon: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Returns the part of a convex polygon inside a convex window, both anticlockwise."""
    for start, end in zip(window, np.roll(window, -1, axis=0), strict=True):
        edge = end - start
        # Signed distance from the edge's line, times its length: positive inside.
        sides = edge[0] * (polygon[:, 1] - start[1]) - edge[1] * (polygon[:, 0] - start[0])
        polygon = clip_path(polygon, sides, is_closed=True)
    return polygon


def _area(polygon: np.ndarray) -> float:
    if len(polygon) < 3:
        return 0.0
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
