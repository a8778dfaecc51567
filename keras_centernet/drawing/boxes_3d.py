"""3D boxes on the picture that they were seen in."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.camera import box_corners, project_points
from keras_centernet.drawing.boxes import class_color, draw_label, font_scale_of, line_width_of

# Corners as `box_corners` orders them: 0 to 3 the bottom face, 4 to 7 the top; 0, 1, 4 and 5 are the front.
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
FRONT = (0, 1, 5, 4)
NEAREST = 0.1  # metres before the camera: what is nearer is cut off
FRONT_VEIL = 0.35  # opacity of the front face


def draw_boxes_3d(
    image: np.ndarray,
    dimensions_hwl: np.ndarray,
    locations_xyz: np.ndarray,
    rotations_y: np.ndarray,
    classes: Sequence[int],
    calibration: np.ndarray,
    labels: Sequence[str] | None = None,
    *,
    line_width: int | None = None,
) -> np.ndarray:
    """Returns a copy of the image with the projections of 3D boxes; the front face is tinted.

    Args:
        image: (H, W, 3) uint8 RGB.
        dimensions_hwl: (N, 3) metres.
        locations_xyz: (N, 3) metres in the camera's frame, centre of the bottom face.
        rotations_y: (N,) radians.
        classes: N class indices, which choose the colours.
        calibration: (3, 4) projection.
        labels: N texts, or None.
        line_width: pixels; None: grows with the image.
    """
    import cv2

    picture = np.ascontiguousarray(image).copy()
    width = line_width or max(1, line_width_of(picture) - 1)  # twelve edges: thinner than a box's four
    corners = box_corners(dimensions_hwl, locations_xyz, rotations_y)
    possible = np.flatnonzero(np.all(np.isfinite(corners), axis=(1, 2)))
    for i in sorted(possible, key=lambda i: -corners[i, :, 2].mean()):  # from far to near
        color = class_color(classes[i])
        if np.all(corners[i, list(FRONT), 2] > NEAREST):
            face = _to_pixels(project_points(corners[i, list(FRONT)], calibration), picture)
            veil = picture.copy()
            cv2.fillConvexPoly(veil, face, color, cv2.LINE_AA)
            picture = cv2.addWeighted(veil, FRONT_VEIL, picture, 1 - FRONT_VEIL, 0)
        for edge in EDGES:
            ends = _cut(corners[i, list(edge)])
            if ends is not None:
                first, last = _to_pixels(project_points(ends, calibration), picture)
                cv2.line(picture, first.tolist(), last.tolist(), color, width, cv2.LINE_AA)
        if labels is not None and np.all(corners[i, :, 2] > NEAREST):
            top = _to_pixels(project_points(corners[i], calibration), picture).min(axis=0)
            draw_label(picture, labels[i], top.tolist(), color, width, font_scale_of(picture))
    return picture


def _cut(ends: np.ndarray) -> np.ndarray | None:
    """Returns the part of a line (2, 3) that lies before the camera, or None."""
    first, last = ends
    if max(first[2], last[2]) <= NEAREST:
        return None
    if min(first[2], last[2]) > NEAREST:
        return ends
    near, far = (first, last) if first[2] < last[2] else (last, first)
    share = (NEAREST - near[2]) / (far[2] - near[2])
    return np.stack([near + share * (far - near), far])


def _to_pixels(points_xy: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Returns whole pixels, near enough for OpenCV's 16-bit fixed-point drawing."""
    far = 4.0 * max(picture.shape)
    return np.round(np.clip(np.nan_to_num(points_xy), -far, far)).astype(np.int32)
