"""Reads the shapes in one of LabelMe's files: objects, and the points that are their keypoints."""

import math
from collections.abc import Iterator

import numpy as np

from keras_centernet.data.reading.found import Found
from keras_centernet.errors import UserError, shown
from keras_centernet.files.paths import AnyPath

_HIDDEN, _VISIBLE = 1, 2  # COCO's marks of keypoints
_ALONE = "point(s) skipped, they share no group_id with a rectangle or polygon"
_AGAIN = "point(s) skipped, their object has another one of that label"
_GROUPED = "shape(s) of one label and group_id, taken for parts of one object"


def objects_of(content: dict, path: AnyPath, found: Found, names: tuple[str, ...] | None) -> Iterator[tuple]:
    """Yields (label, (x1, y1, x2, y2), number of its first shape, is difficult, (K, 3) x, y, v or None) of each object.

    Args:
        content: content of the file.
        path: path of the file, for messages.
        found: gets notes of all that is left out or guessed.
        names: names of the keypoints; None: keypoints are not requested.

    Raises:
        UserError: a shape is wrong.
    """
    objects: dict[tuple, list] = {}
    points = []
    for number, shape in _shapes(content, path):
        kind, group = shape.get("shape_type") or "polygon", shape.get("group_id")
        corners = _points(shape, number, path)
        if kind == "point":
            points.append((number, shape, group, corners[0]))
        elif kind not in _BOXES:
            found.note(f"shape(s) of type {str(kind)[:20]} skipped, which have no box", f"{path}, shape {number}")
        else:
            key = (shape["label"], group) if group is not None else (number,)
            if key in objects:
                found.note(_GROUPED, f"{path}, shape {number}")
            objects.setdefault(key, []).append((number, shape, _BOXES[kind](corners, number, path)))
    keypoints = _keypoints(points, objects, path, found, names)
    for key, parts in objects.items():
        x1, y1, x2, y2 = zip(*(box for _, _, box in parts), strict=True)
        is_difficult = any(shape.get("difficult") is True for _, shape, _ in parts)
        box_xyxy = (min(x1), min(y1), max(x2), max(y2))
        yield parts[0][1]["label"], box_xyxy, parts[0][0], is_difficult, keypoints[key] if keypoints else None


def point_labels(content: dict, path: AnyPath) -> set[str]:
    """Returns the labels of the points that have a group."""
    shapes = (shape for _, shape in _shapes(content, path))
    return {s["label"] for s in shapes if s.get("shape_type") == "point" and s.get("group_id") is not None}


def _shapes(content: dict, path: AnyPath) -> Iterator[tuple[int, dict]]:
    """Yields (number, shape) of a file."""
    if not isinstance(content["shapes"], list):
        raise UserError(f"{path}: expected a list of shapes, got {shown(content['shapes'])}.")
    for number, shape in enumerate(content["shapes"]):
        is_right = isinstance(shape, dict) and isinstance(shape.get("label"), str) and shape["label"].strip()
        is_right = is_right and isinstance(shape.get("shape_type"), str | None)
        if not is_right or not isinstance(shape.get("group_id"), str | int | float | None):
            expected = "a label, points, a text as shape_type, and a number or nothing as group_id"
            raise UserError(f"{path}, shape {number}: expected {expected}, got {shown(shape)}; correct it.")
        yield number, shape


def _points(shape: dict, number: int, path: AnyPath) -> list[tuple[float, float]]:
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        points = []
    if not points:
        got = shown(shape.get("points"))
        raise UserError(f"{path}, shape {number}: expected points [[x, y], ...] in numbers, got {got}; correct it.")
    return points


def _hull(points: list, number: int, path: AnyPath) -> tuple[float, float, float, float]:
    x, y = zip(*points, strict=True)
    damaged = next((value for value in (*x, *y) if not math.isfinite(value)), None)
    return (min(x), min(y), max(x), max(y)) if damaged is None else (damaged,) * 4


def _around(points: list, number: int, path: AnyPath) -> tuple[float, float, float, float]:
    """Returns the box of a circle, given by its centre and a point on it."""
    if len(points) != 2:
        expected = "a circle's centre and a point on it"
        raise UserError(f"{path}, shape {number}: expected {expected}, got {len(points)} points; correct it.")
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    return x - radius, y - radius, x + radius, y + radius


# "rotation" is X-AnyLabeling's name for a rotated rectangle; the points of a "mask" are the corners of its box.
_BOXES = {
    "rectangle": _hull,
    "polygon": _hull,
    "oriented_rectangle": _hull,
    "rotation": _hull,
    "mask": _hull,
    "circle": _around,
}


def _keypoints(points: list, objects: dict, path: AnyPath, found: Found, names: tuple[str, ...] | None) -> dict:
    """Returns {key of an object: (K, 3) x, y, v}; {} if keypoints are not requested."""
    of_group: dict = {}
    for key in objects:
        if len(key) == 2:
            of_group.setdefault(key[1], key)
    keypoints = {} if names is None else {key: np.zeros((len(names), 3)) for key in objects}
    for number, shape, group, point in points:
        if group is None or group not in of_group:
            found.note(_ALONE, f"{path}, shape {number}")
        elif names is not None:
            row = keypoints[of_group[group]][names.index(shape["label"])]
            if row[2]:
                found.note(_AGAIN, f"{path}, shape {number}")
            else:
                row[:] = (*point, _HIDDEN if shape.get("difficult") is True else _VISIBLE)
    return keypoints
