"""Images with their objects, in rows of equal tiles."""

from collections.abc import Sequence

import cv2
import numpy as np

from keras_centernet.drawing.boxes import draw_boxes

SIDE, COLUMNS = 320, 4
_GAP, _PAPER = 6, 255


def draw_tiles(
    images: np.ndarray, boxes_xyxy: Sequence[np.ndarray], classes: Sequence[np.ndarray], names: Sequence[str]
) -> np.ndarray:
    """Returns a uint8 RGB drawing of a batch with boxes in the colours of their classes and with their names.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        boxes_xyxy: of each image, (N, 4) in its pixels.
        classes: of each image, (N,) indices.
        names: of all classes.
    """
    height, width = images.shape[1:3]
    zoom = SIDE / max(height, width)
    size_wh = max(1, round(width * zoom)), max(1, round(height * zoom))
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    step_wh = size_wh[0] + _GAP, size_wh[1] + _GAP
    canvas = np.full((rows * step_wh[1] - _GAP, columns * step_wh[0] - _GAP, 3), _PAPER, np.uint8)
    for i, image in enumerate(images):
        tile = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
        labels = [names[c] for c in classes[i]]
        tile = draw_boxes(tile, np.asarray(boxes_xyxy[i]) * zoom, classes[i], labels, line_width=2)
        y, x = (i // columns) * step_wh[1], (i % columns) * step_wh[0]
        canvas[y : y + size_wh[1], x : x + size_wh[0]] = tile
    return canvas
