"""The graph's letterboxing against `geometry`, which OpenCV computes."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import geometry
from keras_centernet.exporting.letterbox import fit, letterbox, to_image_frame

INPUT_HW = (64, 96)
SIZES_HW = {
    "the input's own": (64, 96),
    "enlarged": (20, 31),
    "upright": (90, 60),
    "half": (128, 192),
    "just above half": (127, 191),
    "halved twice, odd sides": (301, 407),
    "a strip that cannot be halved": (1, 500),
    "one pixel": (1, 1),
}


@pytest.fixture(scope="module")
def graph():
    return tf.function(
        lambda images: letterbox(images, INPUT_HW), input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)]
    )


@pytest.mark.parametrize("name", SIZES_HW)
def test_pixels_equal_those_of_detection(graph, rng, name):
    size_hw = SIZES_HW[name]
    images = rng.integers(0, 256, (2, *size_hw, 3), np.uint8)
    inputs = graph(images).numpy()
    expected = [geometry.warp(image, geometry.letterbox(size_hw, INPUT_HW), INPUT_HW) for image in images]
    difference = np.abs(inputs - np.stack(expected))
    if int(cv2.__version__.split(".")[0]) >= 5:
        assert difference.max() <= 1  # where sums lie halfway between two levels
        assert np.mean(difference > 0) < 2e-3
    else:  # OpenCV 4 rounds coordinates to 1/32 pixel
        assert difference.mean() < 1


def test_floats_are_the_same_image(rng):
    images = rng.integers(0, 256, (1, 150, 140, 3), np.uint8)
    as_floats = letterbox(tf.constant(images, tf.float32), INPUT_HW)
    np.testing.assert_array_equal(as_floats, letterbox(tf.constant(images), INPUT_HW))


@pytest.mark.parametrize("size_hw", list(SIZES_HW.values()))
def test_zoom_and_shift_are_the_letterbox(size_hw):
    zoom, shift_xy = fit(tf.constant(size_hw), INPUT_HW)
    matrix = np.concatenate([np.eye(2) * zoom, shift_xy[:, None]], axis=1)
    np.testing.assert_allclose(matrix, geometry.letterbox(size_hw, INPUT_HW), rtol=1e-15)


def test_coordinates_return_to_each_image_and_boxes_are_clipped(rng):
    sizes_hw = np.array([[40, 60], [301, 207]])
    boxes = rng.uniform(-20, 110, (2, 5, 4)).astype("float32")
    keypoints = rng.uniform(-20, 110, (2, 5, 3, 2)).astype("float32")
    found = {"boxes_xyxy": tf.constant(boxes), "keypoints_xy": tf.constant(keypoints), "scores": tf.ones((2, 5))}
    moved = to_image_frame(found, tf.constant(sizes_hw), INPUT_HW)
    for i, (height, width) in enumerate(sizes_hw.tolist()):
        back = geometry.invert_affine(geometry.letterbox((height, width), INPUT_HW))
        corners = geometry.transform_points(boxes[i].reshape(-1, 2), back).reshape(-1, 2, 2)
        corners = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=-1)  # sizes may be negative
        np.testing.assert_allclose(
            moved["boxes_xyxy"][i], np.clip(corners, 0, [width, height, width, height]), rtol=1e-5, atol=1e-4
        )
        np.testing.assert_allclose(
            moved["keypoints_xy"][i], geometry.transform_points(keypoints[i], back), rtol=1e-5, atol=1e-4
        )
    np.testing.assert_array_equal(moved["scores"], np.ones((2, 5)))
