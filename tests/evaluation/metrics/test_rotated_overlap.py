"""Overlap of rotated boxes, compared with a polygon library and with values computed by hand."""

from fractions import Fraction

import numpy as np
import pytest
from shapely import geometry

from keras_centernet.camera import box_corners
from keras_centernet.evaluation.metrics.rotated_overlap import bird_eye_iou, footprint_intersection, volume_iou


def box(x=0.0, z=10.0, width=2.0, length=4.0, angle=0.0, y=1.5, height=1.5):
    return np.array([[height, width, length, x, y, z, angle]])


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("itself", box(), 1.0),
        ("turned by half", box(angle=np.pi), 1.0),
        ("half moved along its length", box(x=2.0), 1 / 3),
        ("half moved across", box(z=11.0), 1 / 3),
        ("crosswise", box(angle=np.pi / 2), 4 / 12),
        ("touching", box(x=4.0), 0.0),
        ("apart", box(x=9.0), 0.0),
        ("inside", box(width=1.0, length=2.0), 0.25),
        ("without extent", box(width=0.0), 0.0),
    ],
)
def test_by_hand(name, other, expected):
    np.testing.assert_allclose(bird_eye_iou(box(), other), [[expected]], atol=1e-9)


def test_heights_count_in_3d():
    np.testing.assert_allclose(volume_iou(box(), box(y=1.5 - 0.75)), [[1 / 3]])
    np.testing.assert_allclose(volume_iou(box(), box(y=0.0)), [[0.0]])


def test_no_boxes():
    assert bird_eye_iou(np.zeros((0, 7)), box()).shape == (0, 1)
    assert volume_iou(box(), np.zeros((0, 7))).shape == (1, 0)


def random_boxes(rng, count):
    return np.column_stack([rng.uniform(0.1, 5, (count, 3)), rng.uniform(-4, 4, (count, 3)), rng.uniform(-4, 4, count)])


def moved(boxes, along=0.0, across=0.0):
    """Returns boxes moved by these fractions of their length and width."""
    boxes, along, across = boxes.copy(), along * boxes[:, 2], across * boxes[:, 1]
    cosine, sine = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    boxes[:, 3] += along * cosine + across * sine
    boxes[:, 5] += across * cosine - along * sine
    return boxes


def turned(boxes, angle):
    return boxes + np.array([0, 0, 0, 0, 0, 0, angle])


def halved(boxes):
    return boxes * np.array([1, 0.5, 0.5, 1, 1, 1, 1])


def exact_intersection(box, other):
    """The clipping in exact fractions, starting from the rounded corners."""
    rows = np.stack([box, other])
    corners = box_corners(rows[:, :3], rows[:, 3:6], rows[:, 6])[:, 3::-1][..., [0, 2]]
    polygon, window = ([tuple(map(Fraction, corner)) for corner in quad.tolist()] for quad in corners)
    for start, end in zip(window, window[1:] + window[:1], strict=True):
        edge = (end[0] - start[0], end[1] - start[1])
        sides = [edge[0] * (y - start[1]) - edge[1] * (x - start[0]) for x, y in polygon]
        clipped = []
        for i in range(len(polygon)):
            (x, y), (u, v) = polygon[i - 1], polygon[i]
            if (sides[i - 1] >= 0) != (sides[i] >= 0):
                share = sides[i - 1] / (sides[i - 1] - sides[i])
                clipped.append((x + share * (u - x), y + share * (v - y)))
            if sides[i] >= 0:
                clipped.append((u, v))
        polygon = clipped
    return float(abs(sum(polygon[i - 1][0] * y - x * polygon[i - 1][1] for i, (x, y) in enumerate(polygon))) / 2)


@pytest.mark.parametrize(
    ("change", "share"),
    [
        pytest.param(lambda boxes: boxes, 1, id="the same"),
        pytest.param(lambda boxes: turned(boxes, np.pi), 1, id="headed the other way"),
        pytest.param(lambda boxes: moved(boxes, along=0.5), 1 / 2, id="half moved along its length"),
        pytest.param(lambda boxes: moved(boxes, across=0.5), 1 / 2, id="half moved across"),
        pytest.param(lambda boxes: moved(boxes, along=1.0), 0, id="touching end to end"),
        pytest.param(lambda boxes: moved(boxes, across=1.0), 0, id="touching side by side"),
        pytest.param(halved, 1 / 4, id="inside"),
        pytest.param(lambda boxes: halved(moved(boxes, along=0.25, across=0.25)), 1 / 4, id="inside, in a corner"),
    ],
)
def test_coinciding_edges_at_any_angle(rng, change, share):
    """Here rounding decides on which side of an edge a corner lies; GEOS itself errs on touching boxes."""
    boxes = random_boxes(rng, 150)
    found = [footprint_intersection(*pair)[0, 0] for pair in zip(boxes[:, None], change(boxes)[:, None], strict=True)]
    np.testing.assert_allclose(found, share * boxes[:, 1] * boxes[:, 2], atol=1e-9)
    exact = [exact_intersection(*pair) for pair in zip(boxes, change(boxes), strict=True)]
    np.testing.assert_allclose(found, exact, atol=1e-9)


def test_equals_a_polygon_library(rng):
    boxes = random_boxes(rng, 60)
    corners = box_corners(boxes[:, :3], boxes[:, 3:6], boxes[:, 6])[:, :4][..., [0, 2]]
    polygons = [geometry.Polygon(c) for c in corners]
    expected = np.array([[a.intersection(b).area for b in polygons] for a in polygons])
    found = footprint_intersection(boxes, boxes)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.mean(found > 0) > 0.2
    heights = np.minimum(boxes[:, None, 4], boxes[:, 4])
    heights = heights - np.maximum((boxes[:, 4] - boxes[:, 0])[:, None], boxes[:, 4] - boxes[:, 0])
    volumes = np.prod(boxes[:, :3], axis=1)
    shared = expected * np.maximum(heights, 0)
    np.testing.assert_allclose(volume_iou(boxes, boxes), shared / (volumes[:, None] + volumes - shared), atol=1e-9)
    areas = np.array([polygon.area for polygon in polygons])
    np.testing.assert_allclose(bird_eye_iou(boxes, boxes), expected / (areas[:, None] + areas - expected), atol=1e-9)


def test_corners_follow_the_benchmark():
    """At rotation_y 0 the length lies along x; a positive angle turns its front towards the camera."""
    ahead, aside = box(z=8.5, width=0.5, length=0.5), box(x=1.5, width=0.5, length=0.5)
    assert footprint_intersection(box(), aside)[0, 0] > 0
    assert footprint_intersection(box(), ahead)[0, 0] == 0
    assert footprint_intersection(box(angle=np.pi / 2), ahead)[0, 0] > 0
    front_right = box(x=1.0, z=9.0, width=0.5, length=0.5)  # z decreases as x increases
    assert footprint_intersection(box(width=0.5, angle=np.pi / 4), front_right)[0, 0] > 0
    assert footprint_intersection(box(width=0.5, angle=-np.pi / 4), front_right)[0, 0] == 0
