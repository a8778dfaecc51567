"""The box of an annotation: the one it states, else that of its segmentation, else that of its keypoints."""

import math

import numpy as np

from keras_centernet.data.formats.coco.content import unexpected
from keras_centernet.files.paths import AnyPath

OF_SEGMENTATION = "annotation(s) without bbox, the box is that of the segmentation"
OF_KEYPOINTS = "annotation(s) without bbox, the box is the hull of the marked keypoints"
WITHOUT_BOX = "annotation(s) skipped, they have neither bbox nor segmentation nor a marked keypoint"
_MOST = 10**12  # pixels of a mask


def box_of(entry: dict, number: int, path: AnyPath) -> tuple[tuple | None, str | None]:
    """Returns ((x1, y1, x2, y2) or None, note on how the box was made or why there is none; None if it is stated).

    Raises:
        UserError: bbox, segmentation or keypoints are wrong.
    """
    bbox = entry.get("bbox")
    if bbox not in (None, []):
        values = _numbers(bbox)
        if values is None or len(values) != 4:
            expected = "a bbox of four numbers (x, y, width, height)"
            raise unexpected(path, expected, number, "annotations", bbox)
        x, y, width, height = values
        return (x, y, x + width, y + height), None
    segmentation = entry.get("segmentation")
    if segmentation not in (None, [], {}):
        return _box_of_segmentation(segmentation, number, path), OF_SEGMENTATION
    keypoints = entry.get("keypoints") or []
    values = _numbers(keypoints)
    if values is None or len(values) % 3:
        raise unexpected(path, "x, y, v of each keypoint", number, "annotations", keypoints)
    marked = [values[i : i + 2] for i in range(0, len(values), 3) if values[i + 2] > 0]
    return (_hull(marked), OF_KEYPOINTS) if marked else (None, WITHOUT_BOX)


def _box_of_segmentation(segmentation, number: int, path: AnyPath) -> tuple:
    if isinstance(segmentation, dict):
        return _box_of_mask(segmentation, number, path)
    points = _points(segmentation)
    if not points:
        expected = "a segmentation of polygons (lists of x, y, x, y, ...) or of run lengths"
        raise unexpected(path, expected, number, "annotations", segmentation)
    return _hull(points)


def _points(polygons, levels: int = 3) -> list[list[float]] | None:
    """Returns the points of polygons, each a list of numbers x, y, x, y, ... or of points; None if they are damaged."""
    if not isinstance(polygons, list) or not levels:
        return None
    if not any(isinstance(part, list) for part in polygons):
        values = _numbers(polygons)
        return None if values is None or len(values) % 2 else [values[i : i + 2] for i in range(0, len(values), 2)]
    parts = [_points(part, levels - 1) for part in polygons]
    return None if None in parts else [point for part in parts for point in part]


def _box_of_mask(mask: dict, number: int, path: AnyPath) -> tuple:
    """Returns the box of a mask in run lengths, column by column, given as numbers or as COCO's compressed text."""
    size, runs = mask.get("size"), mask.get("counts")
    runs = _decompress(runs) if isinstance(runs, str) else runs
    are_numbers = all(isinstance(values, list) and all(map(_is_count, values)) for values in (size, runs))
    if not are_numbers or len(size) != 2 or not 0 < size[0] * size[1] == sum(runs):
        expected = "run lengths with 'size' [height, width] and 'counts' that fill it"
        raise unexpected(path, expected, number, "annotations", mask)
    ends = np.cumsum(runs)
    first, last = (ends - runs)[1::2], ends[1::2] - 1  # every second run belongs to the object
    first, last = first[first <= last], last[first <= last]
    if not len(first):
        return 0.0, 0.0, 0.0, 0.0
    height = size[0]
    left, right = (first // height).min(), (last // height).max()
    turns = np.any(first // height < last // height)  # a run continues at the top of the next column
    top, bottom = (0, height - 1) if turns else ((first % height).min(), (last % height).max())
    return float(left), float(top), float(right + 1), float(bottom + 1)


def _decompress(text: str) -> list[int] | None:
    """Returns the run lengths in COCO's compressed text; None if it is damaged.

    Each letter holds five bits of a number, lowest first, and a sixth bit that says whether more follow. From the
    fourth on, numbers are differences to the number two places before. pycocotools is not used, because it reads and
    writes beyond the end of a damaged text.
    """
    runs, value, shift = [], 0, 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value, shift = 0, 0
    return None if shift else runs


def _hull(points: list) -> tuple:
    xs, ys = zip(*points, strict=True)
    damaged = next((value for value in (*xs, *ys) if not math.isfinite(value)), None)
    return (min(xs), min(ys), max(xs), max(ys)) if damaged is None else (damaged,) * 4


def _numbers(values) -> list[float] | None:
    """Returns the numbers of a list, including texts of numbers; None if a value is something else."""
    if not isinstance(values, list) or any(isinstance(value, bool) for value in values):
        return None
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        return None


def _is_count(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
