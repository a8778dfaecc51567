"""The boxes of the shapes in CVAT's XML."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np

Box = tuple[float, float, float, float]


def box_xyxy(node: ElementTree.Element) -> Box:
    """Returns the unchecked box x1, y1, x2, y2, in pixels, of a shape of `SHAPES`.

    Raises:
        ValueError: a number is missing, or a value is not a number.
    """
    return SHAPES[node.tag](node)


def _number(node: ElementTree.Element, key: str) -> float:
    text = node.get(key)
    if text is None:
        raise ValueError(f"no {key!r}")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key}={text[:40]!r}") from None


def _of_box(node: ElementTree.Element) -> Box:
    """Returns the box around a rectangle, which can be rotated about its centre by an angle in degrees."""
    x1, y1, x2, y2 = (_number(node, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    cos, sin = _turn(node)
    width, height = x2 - x1, y2 - y1
    return _around((x1 + x2) / 2, (y1 + y2) / 2, width * cos + height * sin, width * sin + height * cos)


def _of_ellipse(node: ElementTree.Element) -> Box:
    x, y, rx, ry = (_number(node, key) for key in ("cx", "cy", "rx", "ry"))
    cos, sin = _turn(node)
    return _around(x, y, 2 * math.hypot(rx * cos, ry * sin), 2 * math.hypot(rx * sin, ry * cos))


def _of_polygon(node: ElementTree.Element) -> Box:
    text = node.get("points", "")
    try:
        points = np.array([point.split(",") for point in text.split(";")], float).reshape(-1, 2)
    except ValueError:
        raise ValueError(f"points={text[:40]!r}") from None
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _of_mask(node: ElementTree.Element) -> Box:
    x, y, width, height = (_number(node, key) for key in ("left", "top", "width", "height"))
    return (x, y, x + width, y + height)


def _of_cuboid(node: ElementTree.Element) -> Box:
    """Returns the box around the corners xtl1, ytl1, xbl1, ... of a cuboid's two faces."""
    corners = [f"{side}{face}" for side in ("tl", "bl", "tr", "br") for face in "12"]
    xs, ys = (np.array([_number(node, axis + corner) for corner in corners]) for axis in "xy")
    return tuple(float(value) for value in (xs.min(), ys.min(), xs.max(), ys.max()))


def _turn(node: ElementTree.Element) -> tuple[float, float]:
    """Returns |cos| and |sin| of the angle by which a shape is rotated."""
    angle = math.radians(_number(node, "rotation")) if node.get("rotation") else 0.0
    return abs(math.cos(angle)), abs(math.sin(angle))


def _around(x: float, y: float, width: float, height: float) -> Box:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


SHAPES: dict[str, Callable[[ElementTree.Element], Box]] = {
    "box": _of_box,
    "polygon": _of_polygon,
    "ellipse": _of_ellipse,
    "mask": _of_mask,
    "cuboid": _of_cuboid,
}
# Elements of an image that are not objects.
OTHER_SHAPES = ("polyline", "points", "skeleton", "tag")
