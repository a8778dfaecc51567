"""Coordinate frames and box orders: the one module in which NumPy coordinates and images change frames.

Three frames: the *image* (original pixels), the network's *input*, and the *map* (cells of the
stride-4 output, `map = input / STRIDE`). All coordinates are index coordinates, as published: the
centre of the first pixel is 0, and there is no half-pixel shift anywhere. A transform between two frames
is a 2x3 float64 matrix that acts on (x, y, 1). Everything here is NumPy and stateless.
"""

from typing import NamedTuple

import numpy as np

STRIDE = 4
HALF_ZOOM = 0.5
# Pixel j of a halved image is the mean of pixels 2 j and 2 j + 1: its centre lies at 2 j + 0.5.
HALVED_TO_WHOLE = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]])


def affine(
    center_xy: np.ndarray, scale_wh: np.ndarray | float, rotation_degrees: float, output_wh: tuple[int, int]
) -> np.ndarray:
    """Returns the (2, 3) float64 similarity that brings `center_xy` to the middle of an output of `output_wh`.

    Args:
        center_xy: (2,) point of the source frame that lands on (Wout / 2, Hout / 2).
        scale_wh: number or (2,): extent of the source that fills the output's width; a height is ignored, as published.
        rotation_degrees: counter-clockwise turn of the sampling frame.
        output_wh: (width, height) of the output in pixels.

    Source: `get_affine_transform` of the published code, in closed form instead of three point pairs.
    """
    scale = np.ravel(np.asarray(scale_wh, np.float64))[0]
    zoom = output_wh[0] / scale
    angle = np.deg2rad(rotation_degrees)
    linear = zoom * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = np.asarray(output_wh, np.float64) / 2 - linear @ np.asarray(center_xy, np.float64)
    return np.concatenate([linear, shift[:, None]], axis=1)


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """Returns the (..., 2, 3) matrix that undoes `matrix`, computed in float64."""
    matrix = np.asarray(matrix, np.float64)
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def compose_affine(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Returns the (..., 2, 3) matrix that applies `inner` first and `outer` to its result."""
    outer, inner = np.asarray(outer, np.float64), np.asarray(inner, np.float64)
    linear = outer[..., :2] @ inner[..., :2]
    return np.concatenate([linear, outer[..., :2] @ inner[..., 2:] + outer[..., 2:]], axis=-1)


def transform_points(points_xy: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns `points_xy` (..., N, 2) brought to the frame of `matrix` (..., 2, 3), in float64."""
    matrix = np.asarray(matrix, np.float64)
    return np.asarray(points_xy, np.float64) @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def transform_boxes(boxes_xyxy: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns the boxes (..., N, 4) whose corners are the transformed corners, in float64.

    The result is ordered (x1 <= x2, y1 <= y2) even if the transform mirrors. With a rotation only the
    two given corners are transformed, as published; the result is not the hull of all four.
    """
    boxes = np.asarray(boxes_xyxy, np.float64)
    first, second = transform_points(boxes[..., :2], matrix), transform_points(boxes[..., 2:], matrix)
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=-1)


def transform_vectors(vectors_dxy: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns `vectors_dxy` (..., 2) turned and scaled to the frame of `matrix` (2, 3), not shifted, in float64."""
    return np.asarray(vectors_dxy, np.float64) @ np.asarray(matrix, np.float64)[:, :2].T


def is_position(name: str) -> bool:
    """Whether arrays of that name hold positions (x, y) or boxes, which a change of frame moves: _xy and _xyxy."""
    return name.endswith(("_xy", "_xyxy"))


def is_vector(name: str) -> bool:
    """Whether arrays of that name hold vectors, which a change of frame only turns and scales: _dxy."""
    return name.endswith("_dxy")


def to_input_frame(found: dict) -> dict:
    """Returns decoded tensors with positions and vectors brought from cells of the map to input pixels."""
    return {key: value * STRIDE if is_position(key) or is_vector(key) else value for key, value in found.items()}


def to_image_frame(rows: dict, image_to_input: np.ndarray) -> dict:
    """Returns one image's decoded arrays with positions and vectors brought from input to original pixels, float64."""
    input_to_image = invert_affine(image_to_input)
    return {key: _move(key, value, input_to_image) for key, value in rows.items()}


def letterbox(image_hw: tuple[int, int], input_hw: tuple[int, int]) -> np.ndarray:
    """Returns the (2, 3) transform that fits a whole image into the input, centred, never stretched.

    For a square input this is the published fixed-resolution transform (scale = longer side).
    For other inputs the smaller of the two zooms is used, so that nothing is cut off; the published code
    always uses the width's zoom, which loses rows of tall images.
    """
    height, width = image_hw
    input_height, input_width = input_hw
    zoom = min(input_width / width, input_height / height)
    return affine((width / 2, height / 2), input_width / zoom, 0.0, (input_width, input_height))


class View(NamedTuple):
    """How an image is brought into the network for a test.

    The image is first resized as a whole, then placed. Detections go back through `image_to_input`, which, as
    published, includes the scale but not the rounding down of the resized sides.
    """

    resized_hw: tuple[int, int]
    input_hw: tuple[int, int]
    resized_to_input: np.ndarray
    image_to_input: np.ndarray


def fixed_resolution(image_hw: tuple[int, int], input_hw: tuple[int, int], scale: float = 1.0) -> View:
    """Returns the view of the published fixed-resolution test: every image in an input of one size.

    At scale 1 this is `letterbox`. The input does not grow with the scale of the image: at 1.5 the outer parts of the
    image are lost, at 0.5 the image fills a quarter of the input.

    Source: `BaseDetector.pre_process` of the published code with `fix_res`.
    """
    resized_hw = _scaled(image_hw, scale)
    zoom = letterbox(image_hw, input_hw)[0, 0]
    center_xy = (resized_hw[1] / 2, resized_hw[0] / 2)
    matrix = affine(center_xy, input_hw[1] / zoom, 0.0, (input_hw[1], input_hw[0]))
    return View(resized_hw, tuple(input_hw), matrix, matrix @ np.diag([scale, scale, 1.0]))


def keep_resolution(image_hw: tuple[int, int], multiple_of: int = 32, scale: float = 1.0) -> View:
    """Returns the view of the published keep-resolution test: no zoom, padded with black to the next multiple.

    Each side of the input is `(side | multiple_of - 1) + 1`, at least one pixel more than the image's; `multiple_of` is
    a power of two.

    Source: `BaseDetector.pre_process` of the published code without `fix_res`.
    """
    resized_hw = _scaled(image_hw, scale)
    height, width = resized_hw
    input_hw = ((height | multiple_of - 1) + 1, (width | multiple_of - 1) + 1)
    matrix = affine((width // 2, height // 2), input_hw[1], 0.0, (input_hw[1], input_hw[0]))
    return View(resized_hw, input_hw, matrix, matrix @ np.diag([scale, scale, 1.0]))


def view(image: np.ndarray, placed: View) -> np.ndarray:
    """Returns the network's input (height, width, 3) uint8 for an image (H, W, 3) uint8 and its view."""
    import cv2

    if image.shape[:2] != placed.resized_hw:
        image = cv2.resize(image, placed.resized_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return warp(image, placed.resized_to_input, placed.input_hw)


def _move(name: str, values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    for ending, move in (("_xyxy", transform_boxes), ("_xy", transform_points), ("_dxy", transform_vectors)):
        if name.endswith(ending):
            return move(values, matrix)
    return values


def _scaled(image_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, int(image_hw[0] * scale)), max(1, int(image_hw[1] * scale))


def warp(image: np.ndarray, matrix: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
    """Returns the image resampled into another frame: bilinear, black outside.

    Training, evaluation and detection all resample images here, so that they see the same pixels; `data.in_graph` and
    `exporting.letterbox` implement the same rule for graphs. As published, except for images that shrink to half or
    less: those are first halved by averaging 2x2 pixels, as often as possible, because bilinear sampling alone would
    skip most pixels of a large photo.

    Args:
        image: (H, W, 3) uint8 image, or a (H, W) float32 map.
        matrix: (2, 3) transform from image to output.
        output_hw: (height, width) of the output.
    """
    import cv2

    matrix = np.asarray(matrix, np.float64)
    while np.abs(np.linalg.det(matrix[:, :2])) <= HALF_ZOOM**2 and min(image.shape[:2]) >= 2:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)
        matrix = compose_affine(matrix, HALVED_TO_WHOLE)
    if image.shape[2:] != (3,):
        return cv2.warpAffine(image, matrix, output_hw[::-1], flags=cv2.INTER_LINEAR)
    # OpenCV has a fast path for four channels: the same pixels in less than half the time.
    rgba = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    warped = cv2.warpAffine(rgba, matrix, output_hw[::-1], flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)


def xywh_to_xyxy(boxes_xywh: np.ndarray) -> np.ndarray:
    """Returns (..., 4) corner boxes from (left, top, width, height), COCO's order."""
    boxes = np.asarray(boxes_xywh)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Returns (..., 4) boxes as (left, top, width, height), COCO's order."""
    boxes = np.asarray(boxes_xyxy)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def clip_to_size(boxes_xyxy: np.ndarray, image_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the boxes (N, 4) clipped to an image, and whether each has an area in it (N,)."""
    height, width = image_hw
    clipped = np.clip(boxes_xyxy, 0, [width, height, width, height])
    return clipped, np.all(clipped[:, 2:] > clipped[:, :2], axis=1)


def box_areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Returns the areas (N,) of boxes (N, 4); 0 for a box without extent or with swapped corners."""
    return np.prod(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0), axis=1)


def box_intersections(boxes_xyxy: np.ndarray, others_xyxy: np.ndarray) -> np.ndarray:
    """Returns the area (N, M) that each of the boxes (N, 4) shares with each of the others (M, 4)."""
    first = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[:, :2])
    end = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[:, 2:])
    return np.prod(np.maximum(end - first, 0), axis=2)


def box_iou(boxes_xyxy: np.ndarray, others_xyxy: np.ndarray) -> np.ndarray:
    """Returns the intersection over union (N, M) of each of the boxes (N, 4) with each of the others (M, 4).

    Boxes are float arrays; a side is x2 - x1, not x2 - x1 + 1. The result is 0 for boxes without extent.

    Examples:
        >>> box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2]])).round(3)
        array([[1.   , 0.333, 0.   ]])
    """
    common = box_intersections(boxes_xyxy, others_xyxy)
    union = box_areas(boxes_xyxy)[:, None] + box_areas(others_xyxy) - common
    return common / np.maximum(union, np.finfo(union.dtype).tiny)
