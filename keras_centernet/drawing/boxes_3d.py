"""3D boxes projected into the image that they were detected in."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.camera import box_corners, check_calibration, project_points
from keras_centernet.drawing.boxes import class_color, draw_label, font_scale_of, line_width_of
from keras_centernet.drawing.clipping import clip_path, clip_to_sides, to_pixels

# Corners as `box_corners` orders them: 0 to 3 the bottom face, 4 to 7 the top; 0, 1, 4 and 5 are the front.
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
FRONT = (0, 1, 5, 4)
NEAREST = 0.1  # metres in front of the camera: what is nearer is clipped
FARTHEST = 1e6  # metres: boxes with corners beyond are mistakes and not drawn
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

    Near boxes are drawn over far ones, and labels over all boxes. What lies behind the camera is clipped. Boxes with
    corners that are not finite, or farther away than `FARTHEST`, are not drawn.

    Args:
        image: (H, W, 3) uint8 RGB.
        dimensions_hwl: (N, 3) metres.
        locations_xyz: (N, 3) metres in the camera's frame, centre of the bottom face.
        rotations_y: (N,) radians.
        classes: N class indices, which choose the colours.
        calibration: (3, 4) projection or (3, 3) intrinsics.
        labels: N texts, or None.
        line_width: pixels; None: grows with the image.

    Raises:
        UserError: `calibration` is not a camera's matrix.
    """
    import cv2

    calibration = check_calibration(calibration, "draw_boxes_3d: calibration")
    canvas = np.ascontiguousarray(image).copy()
    width = line_width or max(1, line_width_of(canvas) - 1)  # twelve edges: thinner than a box's four
    corners = box_corners(dimensions_hwl, locations_xyz, rotations_y)
    possible = np.flatnonzero(np.all(np.abs(corners) < FARTHEST, axis=(1, 2)))
    order = sorted(possible, key=lambda i: -corners[i, :, 2].mean())  # from far to near
    for i in order:
        color = class_color(classes[i])
        face = to_pixels(_project(corners[i, list(FRONT)], calibration, is_closed=True), canvas, is_closed=True)
        if len(face):
            veil = cv2.fillConvexPoly(canvas.copy(), face, color, cv2.LINE_AA)
            canvas = cv2.addWeighted(veil, FRONT_VEIL, canvas, 1 - FRONT_VEIL, 0)
        for edge in EDGES:
            ends = to_pixels(_project(corners[i, list(edge)], calibration), canvas)
            if len(ends):
                cv2.line(canvas, ends[0].tolist(), ends[-1].tolist(), color, width, cv2.LINE_AA)
    for i in order if labels is not None else ():
        corner_xy = _seen_corner(corners[i], calibration, canvas)
        if corner_xy is not None:
            draw_label(canvas, labels[i], corner_xy, class_color(classes[i]), width, font_scale_of(canvas))
    return canvas


def _project(points_xyz: np.ndarray, calibration: np.ndarray, is_closed: bool = False) -> np.ndarray:
    """Returns pixels (M, 2) of the part of a line or face that lies in front of the camera."""
    depths = points_xyz @ calibration[2, :3] + calibration[2, 3]  # what the projection divides by: z + P[2, 3]
    return project_points(clip_path(points_xyz, depths - NEAREST, is_closed), calibration)


def _seen_corner(corners_xyz: np.ndarray, calibration: np.ndarray, canvas: np.ndarray) -> list[int] | None:
    """Returns the upper left corner (x, y) of the visible part of a box's edges, or None."""
    high_xy = canvas.shape[1] - 1, canvas.shape[0] - 1
    edges = [_project(corners_xyz[list(edge)], calibration) for edge in EDGES]
    seen = np.concatenate([clip_to_sides(edge, (0, 0), high_xy, is_closed=False) for edge in edges])
    return np.round(seen.min(axis=0)).astype(int).tolist() if len(seen) else None
