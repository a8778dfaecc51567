"""The grid of examples: image, truth, detections, heatmap."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_centernet.drawing.boxes import draw_boxes
from keras_centernet.drawing.image_file import check_rgb, write_image
from keras_centernet.errors import UserError
from keras_centernet.geometry import warp

TITLES = ("image", "truth", "detections", "heatmap")
CELL_SIDE = 360  # px
GAP = 8
LINE = 2
GRID_WIDTH = GAP + len(TITLES) * (CELL_SIDE + GAP)
TITLE_HEIGHT = 44
PAPER, INK = 255, (40, 40, 40)
STRONGEST_VEIL = 0.8  # opacity of the heatmap's colours where the heatmap is 1


@dataclass(eq=False)
class GridRow:
    """One example of a grid, with all positions in the frame of its image.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        truth: the true objects as `Detections`; scores are not shown.
        detections: the found objects as `Detections`.
        heatmap: (Hf, Wf) in 0..1 that covers the image, such as the maximum over the classes in every cell.
    """

    image: np.ndarray
    truth: Any
    detections: Any
    heatmap: np.ndarray


def draw_grid(rows: Sequence[GridRow], path: str | os.PathLike | None = None) -> np.ndarray:
    """Returns a uint8 RGB drawing, a row per example: image, truth, detections, heatmap; writes it to `path` if given.

    Raises:
        UserError: no rows, or a file that cannot be written.
    """
    if not rows:
        raise UserError("draw_grid: expected at least one row, got none. Is the data set empty?")
    canvas = np.concatenate([_title_line(), *(_line(_cells(row)) for row in rows)])
    if path is not None:
        write_image(canvas, path)
    return canvas


def overlay_heatmap(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Returns the image (H, W, 3) uint8 RGB in grey under a veil of the heatmap's colours, more opaque where it is hot.

    The heatmap is (Hf, Wf) in 0..1. Its cell (0, 0) lies on pixel (0, 0), and its cells are H / Hf pixels apart.
    """
    import cv2

    height, width = image.shape[:2]
    heat = np.clip(np.asarray(heatmap, np.float32), 0, 1)
    zoom = np.array([[width / heat.shape[1], 0, 0], [0, height / heat.shape[0], 0]])
    heat = warp(heat, zoom, (height, width))
    colors = cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    veil = STRONGEST_VEIL * np.sqrt(heat)[..., None]  # the root makes low values visible, too
    gray = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.round(gray * 0.8 * (1 - veil) + colors * veil).astype(np.uint8)


def _cells(row: GridRow) -> list[np.ndarray]:
    """Returns the four images of an example, all of one size."""
    check_rgb(row.image, "GridRow")
    image, zoom = _fit(row.image)
    found = row.detections
    labels = [f"{name} {score:.2f}" for name, score in zip(found.class_names, found.scores, strict=True)]
    return [
        image,
        draw_boxes(image, row.truth.boxes_xyxy * zoom, row.truth.classes, row.truth.class_names, line_width=LINE),
        draw_boxes(image, found.boxes_xyxy * zoom, found.classes, labels, line_width=LINE),
        overlay_heatmap(image, row.heatmap),
    ]


def _fit(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the image resized to a longer side of `CELL_SIDE`, and the zoom."""
    import cv2

    zoom = CELL_SIDE / max(image.shape[:2])
    height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
    kernel = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=kernel), zoom


def _line(cells: list[np.ndarray]) -> np.ndarray:
    """Returns the images side by side, in the middle of their columns, with a gap below."""
    height, width = cells[0].shape[:2]
    line = np.full((height + GAP, GRID_WIDTH, 3), PAPER, np.uint8)
    for column, cell in enumerate(cells):
        left = _left(column, width)
        line[:height, left : left + width] = cell
    return line


def _left(column: int, width: int) -> int:
    return GAP + column * (CELL_SIDE + GAP) + (CELL_SIDE - width) // 2


def _title_line() -> np.ndarray:
    import cv2

    line = np.full((TITLE_HEIGHT, GRID_WIDTH, 3), PAPER, np.uint8)
    for column, title in enumerate(TITLES):
        (text_width, text_height), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
        origin_xy = _left(column, text_width), (TITLE_HEIGHT + text_height) // 2
        cv2.putText(line, title, origin_xy, cv2.FONT_HERSHEY_SIMPLEX, 0.7, INK, 1, cv2.LINE_AA)
    return line
