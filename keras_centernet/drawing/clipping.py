"""Clips lines and convex faces: to the drawing, to what lies in front of the camera, to another polygon."""

from collections.abc import Sequence

import numpy as np

REACH = 4.0  # in longer sides of the canvas: OpenCV still draws lines correctly that leave it by so much


def clip_path(points: np.ndarray, distances: np.ndarray, is_closed: bool) -> np.ndarray:
    """Returns the part of a line or a convex face on the positive side of a border.

    Args:
        points: (N, D) corners in order.
        distances: (N,) signed distances to the border, in any unit; NaN lies outside.
        is_closed: whether the last corner is joined to the first.

    Returns:
        (M, D) corners; none if nothing remains.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping", 1974.
    """
    is_inside = (distances >= 0).tolist()
    if len(set(is_inside)) < 2:
        return np.ascontiguousarray(points if all(is_inside) else points[:0])
    kept = []
    for i, j in enumerate([*range(1, len(points)), 0]):
        if is_inside[i]:
            kept.append(points[i])
        if is_inside[i] != is_inside[j] and (j or is_closed):
            # On an edge that coincides with the border, the share is rounded to 0 or 1. The corner is added all the
            # same: without it, a triangle would be lost.
            share = distances[i] / (distances[i] - distances[j])
            kept.append(points[i] + share * (points[j] - points[i]))
    return np.array(kept)


def clip_to_sides(
    points_xy: np.ndarray, low_xy: Sequence[float], high_xy: Sequence[float], is_closed: bool
) -> np.ndarray:
    """Returns the corners (M, 2) of the part of a line or convex face (N, 2) inside a rectangle."""
    for axis in (0, 1):
        points_xy = clip_path(points_xy, points_xy[:, axis] - low_xy[axis], is_closed)
        points_xy = clip_path(points_xy, high_xy[axis] - points_xy[:, axis], is_closed)
    return points_xy


def to_pixels(points_xy: np.ndarray, canvas: np.ndarray, is_closed: bool = False) -> np.ndarray:
    """Returns whole pixels (M, 2) int32, clipped for OpenCV's 16-bit fixed-point drawing; none: nothing to draw."""
    far = REACH * max(canvas.shape)
    return np.round(clip_to_sides(points_xy, (-far, -far), (far, far), is_closed)).astype(np.int32)
