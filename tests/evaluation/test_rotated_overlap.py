"""Overlap of turned boxes against a polygon library, and by hand."""

import numpy as np
import pytest
from shapely import geometry

from keras_centernet.camera import box_corners
from keras_centernet.evaluation.rotated_overlap import bird_eye_iou, footprint_intersection, volume_iou


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


def test_heights_count_in_space():
    np.testing.assert_allclose(volume_iou(box(), box(y=1.5 - 0.75)), [[1 / 3]])
    np.testing.assert_allclose(volume_iou(box(), box(y=0.0)), [[0.0]])


def test_no_boxes():
    assert bird_eye_iou(np.zeros((0, 7)), box()).shape == (0, 1)
    assert volume_iou(box(), np.zeros((0, 7))).shape == (1, 0)


def test_equals_a_polygon_library(rng):
    boxes = np.column_stack([rng.uniform(0.1, 5, (60, 3)), rng.uniform(-4, 4, (60, 3)), rng.uniform(-4, 4, 60)])
    corners = box_corners(boxes[:, :3], boxes[:, 3:6], boxes[:, 6])[:, :4][..., [0, 2]]
    polygons = [geometry.Polygon(c) for c in corners]
    expected = [[a.intersection(b).area for b in polygons] for a in polygons]
    found = footprint_intersection(boxes, boxes)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.mean(found > 0) > 0.2
