"""Joints and limbs on an image."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.drawing.boxes import class_color, line_width_of

JOINT_SIZE = 1.5  # radius of a joint, in line widths
OUTLINE = (255, 255, 255)


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
    far = 4.0 * max(picture.shape)  # keeps OpenCV's 16-bit fixed-point drawing away from overflow
    places = np.asarray(keypoints_xy, np.float64)
    shown = (np.asarray(keypoint_scores) >= threshold) & np.all(np.isfinite(places), axis=-1)
    pixels = np.round(np.clip(np.nan_to_num(places), -far, far)).astype(int)
    for one, is_shown in reversed(list(zip(pixels, shown, strict=True))):  # the best on top
        for i, (first, last) in enumerate(limbs):
            if is_shown[first] and is_shown[last]:
                cv2.line(picture, one[first].tolist(), one[last].tolist(), class_color(i), width, cv2.LINE_AA)
        for joint in one[is_shown].tolist():
            cv2.circle(picture, joint, round(JOINT_SIZE * width) + 1, OUTLINE, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(picture, joint, round(JOINT_SIZE * width), class_color(0), cv2.FILLED, cv2.LINE_AA)
    return picture
