"""3D boxes seen from above."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.camera import box_corners
from keras_centernet.drawing.boxes import class_color
from keras_centernet.errors import UserError

PAPER, GRID, INK, TRUTH = (250, 250, 250), (215, 215, 215), (110, 110, 110), (20, 20, 20)
GRID_STEP = 10  # metres
SHORTEST, LONGEST = 20.0, 120.0  # metres: limits of the reach that is chosen for a view
MARGIN = 1.1  # of the farthest corner
FARTHEST = 1e6  # metres: boxes with corners beyond are mistakes and not drawn
SHAPE = 0.75  # width / height
FONT_SCALE = 0.4
REFERENCE_HEIGHT = 720  # px: letters and headings grow in higher views
COARSE = 10.0  # px per metre: below this, headings are thin so that small objects stay visible


def draw_birds_eye(
    dimensions_hwl: np.ndarray,
    locations_xyz: np.ndarray,
    rotations_y: np.ndarray,
    classes: Sequence[int],
    *,
    truth: tuple | None = None,
    height: int = REFERENCE_HEIGHT,
    meters: float | None = None,
) -> np.ndarray:
    """Returns a view from above, (height, 3 / 4 height, 3) uint8 RGB: the camera at the bottom, a line every 10 m.

    Boxes have the colours of their classes and a line in the direction of their heading. True boxes are thin dark
    outlines.

    Args:
        dimensions_hwl, locations_xyz, rotations_y, classes: as in `draw_boxes_3d`.
        truth: None, or (dimensions, locations, rotations) of true boxes.
        height: of the view in pixels.
        meters: how far it reaches; None: far enough for all objects in front of the camera, within 20 to 120 m.

    Raises:
        UserError: meters is not a positive number.
    """
    import cv2

    boxes = [(np.asarray(dimensions_hwl), np.asarray(locations_xyz), np.asarray(rotations_y))]
    boxes += [tuple(np.asarray(values) for values in truth)] if truth is not None else []
    if meters is not None and not 0 < meters < np.inf:
        raise UserError(f"draw_birds_eye: expected positive finite meters, got {meters}; None chooses them.")
    reach = meters or _reach(np.concatenate([box_corners(*values) for values in boxes]))
    width = round(SHAPE * height)
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    zoom, growth = height / reach, max(1, height / REFERENCE_HEIGHT)
    _draw_grid(canvas, zoom, reach, FONT_SCALE * growth)
    heading_width = round(2 * growth) if zoom >= COARSE else 1

    def outline(footprint, heading, color, heading_width: int) -> None:
        cv2.polylines(canvas, [_pixels(footprint, zoom, canvas)], True, color, 1, cv2.LINE_AA)
        cv2.polylines(canvas, [_pixels(heading, zoom, canvas)], False, TRUTH, heading_width, cv2.LINE_AA)

    for footprint, heading, color in reversed(list(_footprints(*boxes[0], classes))):  # the best on top
        cv2.fillConvexPoly(canvas, _pixels(footprint, zoom, canvas), color, cv2.LINE_AA)
        outline(footprint, heading, PAPER, heading_width)  # a light rim separates boxes that overlap
    for footprint, heading, _ in _footprints(*boxes[-1], None) if truth is not None else ():
        outline(footprint, heading, TRUTH, 1)
    return canvas


def with_birds_eye(canvas: np.ndarray, *boxes) -> np.ndarray:
    """Returns a drawing with the view from above, of equal height, to its right; boxes as for `draw_birds_eye`."""
    return np.concatenate([canvas, draw_birds_eye(*boxes, height=len(canvas))], axis=1)


def _reach(corners: np.ndarray) -> float:
    """Returns how many metres the view must reach to show the corners (N, 8, 3) in front of the camera."""
    ahead = corners[np.all(np.abs(corners) < FARTHEST, axis=(1, 2))].reshape(-1, 3)
    ahead = ahead[ahead[:, 2] > 0]
    needed = np.maximum(ahead[:, 2], np.abs(ahead[:, 0]) * 2 / SHAPE).max(initial=0)
    return float(np.clip(needed * MARGIN, SHORTEST, LONGEST))


def _footprints(dimensions, locations, rotations, classes):
    """Yields (corners (4, 2) x and z, heading (2, 2), colour) of each box."""
    corners = box_corners(dimensions, locations, rotations)
    for i, box in enumerate(corners):
        if np.all(np.abs(box) < FARTHEST):
            footprint = box[:4, [0, 2]]
            middle, front = footprint.mean(axis=0), footprint[:2].mean(axis=0)
            heading = np.stack([middle, middle + 1.4 * (front - middle)])
            yield footprint, heading, class_color(0 if classes is None else classes[i])


def _draw_grid(canvas, zoom: float, reach: float, font_scale: float) -> None:
    import cv2

    height, width = canvas.shape[:2]
    for meters in range(GRID_STEP, int(reach) + 1, GRID_STEP):
        row = round(height - meters * zoom)
        cv2.line(canvas, (0, row), (width, row), GRID, 1)
        cv2.putText(canvas, f"{meters} m", (6, row - 4), cv2.FONT_HERSHEY_SIMPLEX, font_scale, INK, 1, cv2.LINE_AA)
    side = int(width / 2 / zoom) // GRID_STEP * GRID_STEP
    for meters in range(-side, side + 1, GRID_STEP):
        column = round(width / 2 + meters * zoom)
        cv2.line(canvas, (column, 0), (column, height), GRID, 1)
    middle = width // 2
    camera = np.array([[middle, height - 1], [middle - 9, height - 18], [middle + 9, height - 18]])
    cv2.fillConvexPoly(canvas, camera, INK, cv2.LINE_AA)


def _pixels(points_xz: np.ndarray, zoom: float, canvas) -> np.ndarray:
    height, width = canvas.shape[:2]
    pixels = np.stack([width / 2 + points_xz[:, 0] * zoom, height - points_xz[:, 1] * zoom], axis=-1)
    return np.round(np.clip(pixels, -4 * height, 4 * height)).astype(np.int32)
