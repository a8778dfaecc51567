"""Cutting lines and faces off where a picture ends, so that what remains keeps its direction."""

import numpy as np

REACH = 4.0  # longer sides of the picture: lines may leave it by that much, OpenCV draws those correctly


def clip_path(points: np.ndarray, distances: np.ndarray, is_closed: bool) -> np.ndarray:
    """Returns the part of a line or a convex face on the positive side of a border.

    Args:
        points: (N, D) corners in order.
        distances: (N,) signed distances to the border, in any unit; NaN lies outside.
        is_closed: whether the last corner is joined to the first.

    Returns:
        (M, D) corners; none where nothing remains.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping", 1974.
    """
    kept = []
    for i in range(len(points)):
        before, here = distances[i - 1], distances[i]
        if (i > 0 or is_closed) and (before >= 0) != (here >= 0):
            kept.append(points[i - 1] + before / (before - here) * (points[i] - points[i - 1]))
        if here >= 0:
            kept.append(points[i])
    return np.array(kept).reshape(-1, points.shape[1])


def clip_to_sides(points_xy: np.ndarray, low_xy, high_xy, is_closed: bool) -> np.ndarray:
    """Returns the corners (M, 2) of the part of a line or convex face (N, 2) inside a rectangle."""
    for axis in (0, 1):
        points_xy = clip_path(points_xy, points_xy[:, axis] - low_xy[axis], is_closed)
        points_xy = clip_path(points_xy, high_xy[axis] - points_xy[:, axis], is_closed)
    return points_xy


def to_pixels(points_xy: np.ndarray, picture: np.ndarray, is_closed: bool = False) -> np.ndarray:
    """Returns whole pixels (M, 2) int32 near enough for OpenCV's 16-bit fixed-point drawing; none: nothing to draw."""
    far = REACH * max(picture.shape)
    return np.round(clip_to_sides(points_xy, (-far, -far), (far, far), is_closed)).astype(np.int32)
