"""Decoding and resampling in TensorFlow against `images` and `geometry`, which the rest of the package uses."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import geometry
from keras_centernet.data import fields, images, in_graph
from keras_centernet.data.changes import placing

SIZE_HW = (96, 128)
MIRROR = np.diag([-1.0, 1.0])


@pytest.fixture
def photo():
    """photo((height, width)) -> image with structure at every scale."""

    def make(image_hw):
        rng = np.random.default_rng(3)
        image = np.full((*image_hw, 3), 128, np.float32)
        for cells, weight in ((4, 60), (16, 40), (64, 30)):
            noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
            image += weight * cv2.resize(noise, image_hw[::-1], interpolation=cv2.INTER_CUBIC)
        return np.clip(image, 0, 255).astype(np.uint8)

    return make


def affine(center_xy, scale, degrees=0.0, mirrored=False):
    matrix = geometry.affine(center_xy, scale, degrees, SIZE_HW[::-1])
    return MIRROR @ matrix + [[0, 0, SIZE_HW[1]], [0, 0, 0]] if mirrored else matrix


@pytest.mark.parametrize(
    ("name", "image_hw", "matrix", "turns"),
    [
        ("letterbox", (61, 83), geometry.letterbox((61, 83), SIZE_HW), False),
        ("enlarged, over two edges", (61, 83), affine((10, 50), 60), False),
        ("mirrored", (61, 83), affine((40, 20), 100, mirrored=True), False),
        ("exactly half", (192, 256), affine((128, 96), 256), False),
        ("halved once, odd sides", (231, 301), affine((140, 100), 300), False),
        ("halved three times", (801, 1203), affine((600, 400), 1300, mirrored=True), False),
        ("one pixel", (1, 1), geometry.letterbox((1, 1), SIZE_HW), False),
        ("outside", (61, 83), affine((500, 500), 60), False),
        ("turned", (61, 83), affine((40, 30), 90, 20), True),
        ("turned and halved", (231, 301), affine((140, 100), 300, -35), True),
    ],
)
def test_same_pixels_as_opencv_except_for_rounding(name, image_hw, matrix, turns, photo):
    image = photo(image_hw)
    ours = in_graph.warp(tf.constant(image), tf.constant(matrix), SIZE_HW, turns).numpy()
    assert ours.shape == (*SIZE_HW, 3)
    difference = np.abs(ours.astype(int) - geometry.warp(image, matrix, SIZE_HW))
    # OpenCV 5 computes in float32: levels differ by at most 1. OpenCV 4 rounds coordinates to 1/32 pixel.
    exact = int(cv2.__version__.split(".")[0]) >= 5
    assert difference.max() <= (1 if exact else 16)
    assert difference.mean() <= (0.02 if exact else 0.5)


def test_upright_and_turned_operators_agree(photo):
    image, matrix = tf.constant(photo((61, 83))), tf.constant(affine((10, 50), 60, mirrored=True))
    upright, turned = (in_graph.warp(image, matrix, SIZE_HW, turns).numpy() for turns in (False, True))
    assert np.abs(upright.astype(int) - turned).max() <= 1


@pytest.mark.parametrize("matrix", [affine((40, 30), 90, 20), affine((40, 20), 100, mirrored=True)])
@pytest.mark.parametrize(
    ("name", "shape"),
    [("boxes_xyxy", (5, 4)), ("tips_xy", (5, 2)), ("velocities_dxy", (5, 2)), ("keypoints_xyv", (5, 3, 3))],
)
@pytest.mark.parametrize("flip_order", [None, [1, 0, 2]])
def test_fields_move_as_in_numpy(name, shape, flip_order, matrix, rng):
    values = rng.uniform(0, 60, shape).astype(np.float32)
    moved = in_graph.move(name, tf.constant(values), tf.constant(matrix), flip_order)
    np.testing.assert_allclose(moved, fields.move(name, values, matrix, flip_order), atol=1e-4)


def test_the_same_inside_a_pipeline(photo):
    example = {
        "image": tf.constant(photo((231, 301))),
        "boxes_xyxy": tf.constant([[10.0, 20, 100, 120], [-50, -50, -20, -20]]),
        "classes": tf.constant([3, 4]),
        "is_crowd": tf.constant([False, True]),
        "is_difficult": tf.constant([False, True]),
        "areas": tf.constant([1.0, 2.0]),
        "seed": tf.constant([5, 6], tf.int64),
    }

    def warped(resample):
        def to_input(_):
            placed = placing.random_crop(example, (64, 64))
            return placing.warp(placing.random_rotation(placed, (64, 64), 30.0), (64, 64), resample=resample)

        (result,) = tf.data.Dataset.range(1).map(to_input).as_numpy_iterator()
        return result

    ours, reference = warped(in_graph.resample), warped(None)
    assert np.abs(ours["image"].astype(int) - reference["image"]).mean() < 0.5
    np.testing.assert_allclose(ours["boxes_xyxy"], reference["boxes_xyxy"], atol=1e-4)
    np.testing.assert_array_equal(ours["classes"], reference["classes"])


def with_chunk(png, kind, data):
    return png[:33] + struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) + png[33:]


RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)
COLOURS = np.dstack([RAMP // 16, RAMP // 32, RAMP // 64])


@pytest.mark.parametrize(
    ("name", "image", "used_bits"),
    [
        *((f"{bits} bits", RAMP >> (16 - bits), b"") for bits in (8, 10, 12, 14, 16)),
        ("colours", COLOURS, b""),
        ("alpha", np.dstack([COLOURS, RAMP]), b"\x0c\x0c\x0c\x10"),
        ("dark, bits stated", RAMP >> 6, b"\x0c"),
        ("bits stated, at the upper end", (RAMP >> 2) & 0xFFF0, b"\x0c"),
        ("colours, bits stated", COLOURS, b"\x0c\x0d\x0c"),
    ],
)
def test_16_bits_are_scaled_as_by_opencv(name, image, used_bits):
    png = cv2.imencode(".png", image)[1].tobytes()
    png = with_chunk(png, b"sBIT", used_bits) if used_bits else png
    np.testing.assert_array_equal(in_graph.decode_image(tf.constant(png)), images.decode_image(png, name))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_8_bits_are_decoded_as_by_opencv(suffix, photo):
    encoded = cv2.imencode(suffix, photo((61, 83)))[1].tobytes()
    np.testing.assert_array_equal(in_graph.decode_image(tf.constant(encoded)), images.decode_image(encoded, suffix))


@pytest.mark.parametrize("encoded", [b"", b"x", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_raises(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_graph.decode_image(tf.constant(encoded))
