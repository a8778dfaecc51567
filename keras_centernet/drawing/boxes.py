"""Boxes with labels on an image, readable at any size."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.drawing.lettering import measure_text, write_text

# RGB by class index, reused from the beginning after the last: neighbours differ in hue and brightness.
PALETTE = (
    (230, 57, 70),
    (29, 140, 230),
    (56, 176, 0),
    (255, 183, 3),
    (157, 78, 221),
    (0, 187, 187),
    (251, 111, 32),
    (240, 98, 170),
    (120, 85, 60),
    (163, 190, 40),
    (45, 70, 185),
    (0, 125, 95),
    (255, 150, 140),
    (125, 195, 255),
    (145, 20, 60),
    (205, 170, 255),
    (95, 95, 95),
    (255, 230, 90),
    (0, 90, 130),
    (120, 230, 180),
)
REFERENCE_SIDE = 640  # px: an image of this side gets lines of 2 px and letters about 11 px high
REFERENCE_FONT_SCALE = 0.5
SMALLEST_FONT_SCALE = 0.35  # below this OpenCV's letters run together
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def class_color(index: int) -> tuple[int, int, int]:
    """Returns the RGB colour of a class; it repeats after `len(PALETTE)` classes."""
    return PALETTE[int(index) % len(PALETTE)]


def line_width_of(image: np.ndarray) -> int:
    """Returns the width in pixels of lines that are easy to see on an image of that size."""
    return int(np.ceil(2 * _zoom(image)))


def font_scale_of(image: np.ndarray) -> float:
    """Returns the scale of OpenCV's fonts that is easy to read on an image of that size."""
    return max(SMALLEST_FONT_SCALE, REFERENCE_FONT_SCALE * _zoom(image))


def _zoom(image) -> float:
    return np.sqrt(image.shape[0] * image.shape[1]) / REFERENCE_SIDE


def paint_boxes(image: np.ndarray, found, **options) -> np.ndarray:
    """Returns a copy of the image with the boxes, names and scores of `Detections`; options of `draw_boxes`."""
    labels = [f"{name} {score:.2f}" for name, score in zip(found.class_names, found.scores, strict=True)]
    return draw_boxes(image, found.boxes_xyxy, found.classes, with_identities(found, labels), **options)


def with_identities(found, labels: Sequence[str]) -> list[str]:
    """Returns the labels of `Detections`; those of tracked objects begin with their number: "#4 car 0.90"."""
    ids = found.extras.get("track_ids", [-1] * len(labels))
    return [f"#{number} {label}" if number >= 0 else label for number, label in zip(ids, labels, strict=True)]


def draw_boxes(
    image: np.ndarray,
    boxes_xyxy: np.ndarray,
    classes: Sequence[int],
    labels: Sequence[str] | None = None,
    *,
    line_width: int | None = None,
    font_scale: float | None = None,
) -> np.ndarray:
    """Returns a copy of the image with boxes in the colours of their classes and filled labels.

    Labels are drawn over all boxes, and the first box over the others, because detections come best first.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes_xyxy: (N, 4) pixels of the image.
        classes: N class indices, which choose the colours.
        labels: N texts, or None for boxes alone.
        line_width: pixels; None: grows with the image.
        font_scale: of OpenCV's fonts; None: grows with the image.
    """
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    line_width = line_width_of(canvas) if line_width is None else line_width
    font_scale = font_scale_of(canvas) if font_scale is None else font_scale
    boxes = np.round(np.asarray(boxes_xyxy, np.float64).reshape(-1, 4))
    far = 4.0 * max(canvas.shape)  # keeps OpenCV's 16-bit fixed-point drawing away from overflow
    boxes = np.clip(boxes, -far, far).astype(int)
    for i in reversed(range(len(boxes))):
        x1, y1, x2, y2 = boxes[i].tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), class_color(classes[i]), line_width)
    for i in reversed(range(len(boxes) if labels is not None else 0)):
        corner_xy = boxes[i, :2].tolist()
        draw_label(canvas, labels[i], corner_xy, class_color(classes[i]), line_width, font_scale)
    return canvas


def draw_label(
    canvas: np.ndarray,
    text: str,
    corner_xy: Sequence[int],
    color: tuple[int, int, int],
    line_width: int,
    font_scale: float,
) -> None:
    """Draws a filled label that stands on the box's upper edge, or inside the box if there is no room above."""
    import cv2

    weight = max(1, round(font_scale * 1.5))
    (width, height), below = measure_text(text, font_scale, weight)
    pad = max(1, round(4 * font_scale))
    label_wh = (width + 2 * pad, height + below + pad)
    left = corner_xy[0] - line_width // 2
    top = corner_xy[1] - label_wh[1]
    if top < 0:
        top = max(corner_xy[1], 0)
    left = max(min(left, canvas.shape[1] - label_wh[0]), 0)
    top = max(min(top, canvas.shape[0] - label_wh[1]), 0)
    cv2.rectangle(canvas, (left, top), (left + label_wh[0], top + label_wh[1]), color, cv2.FILLED)
    baseline_xy = (left + pad, top + pad + height)
    write_text(canvas, text, baseline_xy, font_scale, ink_on(color), weight)


def ink_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Returns black or white, whichever is easier to read on an RGB colour."""
    brightness = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]  # ITU-R BT.601 luma
    return BLACK if brightness > 140 else WHITE
