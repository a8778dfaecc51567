"""Keypoints and limbs on an image."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.drawing.boxes import class_color, line_width_of
from keras_centernet.drawing.clipping import to_pixels

KEYPOINT_SIZE = 1.5  # radius of a keypoint, in line widths
KEYPOINT_SHARE = 1 / 50  # largest radius, as a share of the object's extent: small people keep their faces
OUTLINE = (255, 255, 255)
FARTHEST = 1e9  # pixels: keypoints beyond are mistakes and not drawn


def draw_keypoints(
    image: np.ndarray,
    keypoints_xy: np.ndarray,
    keypoint_scores: np.ndarray,
    limbs: Sequence[tuple[int, int]],
    *,
    threshold: float = 0.1,
    line_width: int | None = None,
) -> np.ndarray:
    """Returns a copy of the image with the limbs and keypoints of each object; each limb has a colour of its own.

    Args:
        image: (H, W, 3) uint8 RGB.
        keypoints_xy: (N, K, 2) pixels of the image.
        keypoint_scores: (N, K).
        limbs: pairs of keypoints to connect.
        threshold: lowest score of a keypoint that is drawn; a limb needs both of its keypoints.
        line_width: pixels; None: grows with the image.
    """
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    width = line_width or line_width_of(canvas)
    all_xy = np.asarray(keypoints_xy, np.float64)
    shown = (np.asarray(keypoint_scores) >= threshold) & np.all(np.abs(all_xy) < FARTHEST, axis=-1)
    for one, is_shown in reversed(list(zip(all_xy, shown, strict=True))):  # the best on top
        for i, (first, last) in enumerate(limbs):
            ends = to_pixels(one[[first, last]], canvas) if is_shown[first] and is_shown[last] else ()
            if len(ends):
                cv2.line(canvas, ends[0].tolist(), ends[-1].tolist(), class_color(i), width, cv2.LINE_AA)
        extent = np.ptp(one[is_shown], axis=0).max() if is_shown.sum() > 1 else np.inf
        radius = max(1, round(min(KEYPOINT_SIZE * width, KEYPOINT_SHARE * extent)))
        for xy in one[is_shown]:
            for pixel in to_pixels(xy[None], canvas).tolist():
                cv2.circle(canvas, pixel, radius + 1, OUTLINE, cv2.FILLED, cv2.LINE_AA)
                cv2.circle(canvas, pixel, radius, class_color(0), cv2.FILLED, cv2.LINE_AA)
    return canvas
