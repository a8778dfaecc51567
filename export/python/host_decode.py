"""Raw heads -> detections in NumPy alone, for clients whose accelerator runs only the network.

A sample to copy, for all tasks of keras_centernet; it does not need that package. It computes what
`CenterNet.detect_batch` computes, and orders equal scores in the same way.

    maps = {name: dequantize(value, scale, zero_point) ...}  # outputs of a file that was exported with raw_heads
    found = decode_maps(maps, top_k=100, rounded=True)  # of an int8 file
"""

import math

import numpy as np

STRIDE = 4
KEYPOINT_THRESHOLD, SEARCH_SCALE, UNMATCHED_SCORE = 0.1, 0.3, 0.1
DEPTH_EPSILON = 1e-6
HEATMAPS = ("center_heatmap", "keypoint_heatmap")
TIE_SHARE = 1 / 512  # of a difference of at most 255 steps: less than half a step
BIN_CENTERS = (-math.pi / 2, math.pi / 2)


def dequantize(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Returns the float32 map of an 8-bit output: (value - zero point) * scale; floats stay as they are."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero_point) * np.float32(scale)


def part_ties(heatmap: np.ndarray) -> np.ndarray:
    """Returns an 8-bit heatmap (Hf, Wf, C) for `decode_maps`, in which the mean around equal cells tells them apart.

    Rounding makes the top of a wide peak flat: several cells have the same value, and each would be a detection of the
    same object.
    """
    height, width = heatmap.shape[:2]
    inside = np.pad(np.ones((height, width, 1), np.float32), ((1, 1), (1, 1), (0, 0)))
    padded = np.pad(heatmap, ((1, 1), (1, 1), (0, 0)))
    sums, counts = (
        sum(values[y : y + height, x : x + width] for y in range(3) for x in range(3)) for values in (padded, inside)
    )
    return heatmap + np.float32(TIE_SHARE) * (sums / counts - heatmap)


def decode_maps(
    maps: dict[str, np.ndarray], top_k: int = 100, rounded: bool = False, nms: float | None = None
) -> dict[str, np.ndarray]:
    """Returns the K best detections of one image, best first; no threshold.

    Args:
        maps: {head: (Hf, Wf, channels) or (1, Hf, Wf, channels) float32 raw map} by the names of the file's outputs.
        top_k: K.
        rounded: whether the network has 8 bits (a file of --precision int8), so that heatmaps have equal cells.
        nms: as the task option of this name: if boxes of one class have a larger intersection over union, only the best
            is returned. None: all are returned.

    Returns:
        "boxes_xyxy" (K, 4) in input pixels, not clipped; "scores" (K,), "classes" (K,) int32. With the heads of a
        pose also "keypoints_xy" (K, P, 2) in input pixels and "keypoint_scores" (K, P); with those of 3D boxes
        "points_xy" (K, 2) in input pixels, "depths" (K,), "dimensions_hwl" (K, 3) metres and "alphas" (K,) radians.
    """
    maps = {name: values.reshape(values.shape[-3:]) for name, values in maps.items()}
    if rounded:
        maps |= {name: part_ties(maps[name]) for name in HEATMAPS if name in maps}
    heatmap = maps["center_heatmap"]
    scores, classes, index = top_peaks(heatmap, top_k)
    cells_xy = _cell_xy(index, heatmap.shape[1])
    centers_xy = cells_xy + _read(maps["offset"], index)
    half_wh = _read(maps["size"], index) / 2
    boxes_xyxy = np.concatenate([centers_xy - half_wh, centers_xy + half_wh], axis=-1)
    found = {"boxes_xyxy": boxes_xyxy * STRIDE, "scores": scores, "classes": classes}
    if "keypoint_displacement" in maps:
        found |= _keypoints(maps, index, cells_xy, boxes_xyxy, top_k)
    if "depth" in maps:
        found |= _boxes_3d(maps, index, centers_xy)
    return found if nms is None else drop_duplicates(found, nms)


def drop_duplicates(found: dict[str, np.ndarray], iou: float) -> dict[str, np.ndarray]:
    """Returns detections, best first, without those that overlap a better one of their class."""
    low, high = found["boxes_xyxy"][:, :2], found["boxes_xyxy"][:, 2:]
    areas = np.maximum(high - low, 0).prod(axis=-1)
    kept = []
    for i in range(len(areas)):
        common = np.maximum(np.minimum(high[i], high[kept]) - np.maximum(low[i], low[kept]), 0).prod(axis=-1)
        overlaps = common > iou * (areas[i] + areas[kept] - common)
        if not np.any(overlaps & (found["classes"][i] == found["classes"][kept])):
            kept.append(i)
    return {name: values[kept] for name, values in found.items()}


def top_peaks(logits: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (scores (K,), classes (K,), cell indices (K,)) of the highest 3x3 local maxima of all classes.

    Args:
        logits: (Hf, Wf, C) raw heatmap; a peak is at least as high as its 8 neighbours.
        top_k: K; at most Hf * Wf.
    """
    num_classes = logits.shape[-1]
    peaks = _local_maxima(logits).reshape(-1, num_classes)
    cells = _highest(peaks.max(axis=-1), top_k)
    candidates = peaks[cells].ravel()
    best = _highest(candidates, len(cells))
    return _sigmoid(candidates[best]), np.int32(best % num_classes), cells[best // num_classes]


def _local_maxima(logits):
    height, width = logits.shape[:2]
    padded = np.pad(logits, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.where(np.max(windows, axis=0) == logits, logits, np.float32(-1e4))


def _highest(values, count: int):
    """Returns the indices of the highest values, the first of equal ones first: the order of TOPK_V2."""
    return np.argsort(-values, axis=-1, kind="stable")[..., :count]


def _keypoints(maps, index, cells_xy, boxes_xyxy, top_k: int) -> dict:
    """Returns the keypoints: each is the nearest peak of its heatmap, if that is likely, inside the box and close."""
    regressed = cells_xy[:, None] + _read(maps["keypoint_displacement"], index).reshape(len(index), -1, 2)
    heatmap = maps["keypoint_heatmap"]
    logits = _local_maxima(heatmap).reshape(-1, heatmap.shape[-1]).T
    peaks = _highest(logits, top_k)  # (P, Q)
    scores = _sigmoid(np.take_along_axis(logits, peaks, axis=1))
    positions = _cell_xy(peaks, heatmap.shape[1]) + _read(maps["keypoint_offset"], peaks)
    distances = np.linalg.norm(regressed[:, :, None] - positions, axis=-1)  # (K, P, Q)
    distances = np.where(scores > KEYPOINT_THRESHOLD, distances, np.inf)
    nearest = distances.argmin(axis=-1)
    each = np.arange(len(peaks))
    nearest_xy, nearest_scores = positions[each, nearest], scores[each, nearest]
    reach = SEARCH_SCALE * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max(axis=-1)
    inside = (nearest_xy >= boxes_xyxy[:, None, :2]) & (nearest_xy <= boxes_xyxy[:, None, 2:])
    snaps = inside.all(axis=-1) & (distances.min(axis=-1) <= reach[:, None])
    return {
        "keypoints_xy": np.where(snaps[..., None], nearest_xy, regressed) * np.float32(STRIDE),
        "keypoint_scores": np.where(snaps, nearest_scores, np.float32(UNMATCHED_SCORE)),
    }


def _boxes_3d(maps, index, centers_xy) -> dict:
    rotation = _read(maps["rotation"], index)
    first, second = (
        np.arctan2(rotation[:, 4 * i + 2], rotation[:, 4 * i + 3]) + np.float32(center)
        for i, center in enumerate(BIN_CENTERS)
    )
    points_xy = centers_xy + _read(maps["projection"], index) if "projection" in maps else centers_xy
    return {
        "points_xy": points_xy * STRIDE,
        "depths": 1 / (_sigmoid(_read(maps["depth"], index)[:, 0]) + DEPTH_EPSILON) - 1,
        "dimensions_hwl": _read(maps["dimensions"], index),
        "alphas": np.where(rotation[:, 1] > rotation[:, 5], first, second),
    }


def _read(values, index):
    return values.reshape(-1, values.shape[-1])[index]


def _cell_xy(index, map_width: int):
    return np.stack([index % map_width, index // map_width], axis=-1).astype(np.float32)


def _sigmoid(logits):
    return (1 + np.tanh(logits / 2)) / 2  # as 1 / (1 + exp(-x)), without its overflow
