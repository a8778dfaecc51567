"""A batch of images with their objects, drawn as tiles."""

import numpy as np
import pytest

from keras_centernet.drawing.boxes import class_color
from keras_centernet.drawing.tiles import draw_tiles


@pytest.mark.parametrize(
    ("count", "size_hw", "drawn_hw"),
    [
        pytest.param(1, (64, 64), (320, 320), id="one"),
        pytest.param(3, (64, 64), (320, 3 * 320 + 2 * 6), id="less than a row"),
        pytest.param(5, (96, 320), (2 * 96 + 6, 4 * 320 + 3 * 6), id="wide ones in two rows"),
    ],
)
def test_sizes(count, size_hw, drawn_hw):
    images = np.zeros((count, *size_hw, 3), np.uint8)
    nothing = [np.zeros((0, 4))] * count
    assert draw_tiles(images, nothing, [np.zeros(0, int)] * count, ("cat",)).shape == (*drawn_hw, 3)


def test_boxes_are_where_they_are_in_the_image_in_the_colour_of_their_class():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    boxes, classes = [np.zeros((0, 4)), np.float32([[8, 8, 24, 24]])], [np.zeros(0, int), np.array([1])]
    drawn = draw_tiles(images, boxes, classes, ("cat", "dog"))
    assert not drawn[:, :320].any()
    left, middle = 320 + 6 + 8 * 10, 160
    assert tuple(drawn[middle, left]) == class_color(1)
    assert not drawn[middle, left + 20 : left + 140].any()
