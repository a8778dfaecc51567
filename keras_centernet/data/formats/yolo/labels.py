"""Reads one label file: a line per object, with its class and its box, polygon or keypoints as fractions."""

import dataclasses
import math

from keras_centernet.data.formats.yolo.description import Keypoints, Names
from keras_centernet.data.reading.values import LARGEST_FRACTION
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import encoding_of, read_beginning, read_text

MOST_CLASSES = 10_000  # of a data set without names
_HEAD_BYTES = 1 << 16
_VISIBLE = 2.0
_VISIBILITIES = (0.0, 1.0, 2.0)
_BOX, _POLYGON = "'class cx cy w h'", "'class x1 y1 x2 y2 x3 y3 ...'"


@dataclasses.dataclass(frozen=True)
class LabelReader:
    """Reads label files.

    Args:
        names: names of the classes; None: classes are named by their numbers.
        keypoints: the keypoints that follow the box in a line; None: lines are boxes, or polygons (whose extent is
            taken).
    """

    names: Names | None
    keypoints: Keypoints | None = None

    def __call__(self, path: AnyPath) -> list[tuple]:
        """Returns [(number of the line, class name, box_xyxy, keypoints (K, 3) as x, y, v or None)] of one file.

        Raises:
            UserError: a line is wrong; the message gives its number.
        """
        rows = []
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if line.strip():
                try:
                    rows.append((number, *self._read(line)))
                except ValueError as problem:
                    shown = " ".join(line.split())
                    shown = shown if len(shown) <= 80 else shown[:77] + "..."
                    raise UserError(f"{path}, line {number}: expected {problem}, got {shown!r}.") from None
        return rows

    def _read(self, line: str) -> tuple:
        values = _numbers(line)
        name, values = self._name(values[0]), values[1:]
        if self.keypoints is not None:
            points = self._points(values)
            return name, _corners(*values[:4]), points
        if len(values) == 4:
            return name, _corners(*values), None
        if len(values) == 5:
            raise ValueError(f"{_BOX} (five numbers; labels have no confidence, remove the sixth)")
        if len(values) % 2 or len(values) < 6:
            raise ValueError(f"{_BOX} or {_POLYGON} (keypoints need 'kpt_shape' in data.yaml)")
        xs, ys = values[::2], values[1::2]
        return name, (min(xs), min(ys), max(xs), max(ys)), None

    def _name(self, value: float) -> str:
        count = MOST_CLASSES if self.names is None else len(self.names)
        if value not in range(count):
            raise ValueError(f"a class from 0 to {count - 1} (correct it, or the names of the classes)")
        return str(int(value)) if self.names is None else self.names[int(value)]

    def _points(self, values: list[float]) -> list[list[float]]:
        """Returns all numbers after the class as keypoints (K, 3) x, y, v; after a box alone, none are marked."""
        count, width = self.keypoints.count, self.keypoints.values
        if len(values) == 4:
            return [[0.0, 0.0, 0.0]] * count
        if len(values) != 4 + count * width:
            point = "x y" if width == 2 else "x y visibility"
            raise ValueError(f"{_BOX} and {count} times '{point}' as 'kpt_shape' says ({5 + count * width} numbers)")
        points = [values[start : start + width] for start in range(4, len(values), width)]
        if any(abs(value) > LARGEST_FRACTION for point in points for value in point[:2]):
            raise ValueError("keypoints in fractions of the image (0 to 1), not in pixels")
        if width == 2:  # the upper left corner (0, 0), or a point left of or above the image, means not marked
            is_marked = [min(x, y) >= 0 and max(x, y) > 0 for x, y in points]
            return [[x, y, _VISIBLE] if marked else [0.0] * 3 for (x, y), marked in zip(points, is_marked, strict=True)]
        if any(point[2] not in _VISIBILITIES for point in points):
            raise ValueError("0, 1 or 2 as visibility of every keypoint")
        return points


def _corners(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def look_like_labels(path: AnyPath) -> bool:
    """Returns whether a text file is a label file, judged by its first non-empty line."""
    head = read_beginning(path, _HEAD_BYTES)
    lines = head.decode(encoding_of(head), errors="replace").splitlines()
    try:
        values = _numbers(next((line for line in lines if line.strip()), ""))
    except ValueError:
        return False
    return len(values) >= 5 and values[0] >= 0 and values[0] == int(values[0])


def _numbers(line: str) -> list[float]:
    try:
        values = [float(text) for text in line.split()]
    except ValueError:
        values = []
    if len(values) < 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"{_BOX} or {_POLYGON} in finite numbers")
    return values
