"""Joints and limbs on an image."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.drawing.boxes import class_color, line_width_of
from keras_centernet.drawing.clipping import to_pixels

JOINT_SIZE = 1.5  # radius of a joint, in line widths
JOINT_SHARE = 1 / 50  # largest radius of a joint, as a part of its object's extent: small people keep their faces
OUTLINE = (255, 255, 255)
FARTHEST = 1e9  # pixels: joints beyond are mistakes and left out


def draw_keypoints(
    image: np.ndarray,
    keypoints_xy: np.ndarray,
    keypoint_scores: np.ndarray,
    limbs: Sequence[tuple[int, int]],
    *,
    threshold: float = 0.1,
    line_width: int | None = None,
) -> np.ndarray:
    """Returns a copy of the image with the limbs and joints of each object; each limb has a colour of its own.

    Args:
        image: (H, W, 3) uint8 RGB.
        keypoints_xy: (N, K, 2) pixels of the image.
        keypoint_scores: (N, K).
        limbs: pairs of joints to connect.
        threshold: lowest score of a joint that is drawn; a limb needs both of its joints.
        line_width: pixels; None: grows with the image.
    """
    import cv2

    picture = np.ascontiguousarray(image).copy()
    width = line_width or line_width_of(picture)
    places = np.asarray(keypoints_xy, np.float64)
    shown = (np.asarray(keypoint_scores) >= threshold) & np.all(np.abs(places) < FARTHEST, axis=-1)
    for one, is_shown in reversed(list(zip(places, shown, strict=True))):  # the best on top
        for i, (first, last) in enumerate(limbs):
            ends = to_pixels(one[[first, last]], picture) if is_shown[first] and is_shown[last] else ()
            if len(ends):
                cv2.line(picture, ends[0].tolist(), ends[-1].tolist(), class_color(i), width, cv2.LINE_AA)
        radius = _radius(one[is_shown], width)
        for joint in one[is_shown]:
            for pixel in to_pixels(joint[None], picture).tolist():
                cv2.circle(picture, pixel, radius + 1, OUTLINE, cv2.FILLED, cv2.LINE_AA)
                cv2.circle(picture, pixel, radius, class_color(0), cv2.FILLED, cv2.LINE_AA)
    return picture


def _radius(joints_xy: np.ndarray, width: int) -> int:
    """Returns the radius in pixels of the joints of one object."""
    extent = np.ptp(joints_xy, axis=0).max() if len(joints_xy) > 1 else np.inf
    return max(1, round(min(JOINT_SIZE * width, JOINT_SHARE * extent)))
