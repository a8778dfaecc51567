"""Image files decoded in the graph, compared with `data.images`, which uses OpenCV."""

import io
import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_centernet.data.image_headers.tensors import read_orientation
from keras_centernet.data.images import decode_image
from keras_centernet.exporting.encoded_images import decode_encoded_image

SMOOTH = cv2.resize(np.random.default_rng(3).integers(0, 256, (6, 7, 3), np.uint8), (61, 43))
GRAY, ALPHA = SMOOTH[..., 0], SMOOTH[..., :1]


def encode(image, suffix, *options):
    return cv2.imencode(suffix, image, options)[1].tobytes()


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def exif(orientation, order="<", tag=0x0112, entries_before=0):
    """Returns an EXIF segment with an orientation tag, after some other entries."""
    rows = [(0x0100, 4, 1, 7)] * entries_before
    directory = struct.pack(f"{order}H", len(rows) + 1)
    directory += b"".join(struct.pack(f"{order}HHII", *row) for row in rows)
    directory += struct.pack(f"{order}HHIHHI", tag, 3, 1, orientation, 0, 0)
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return segment(0xE1, b"Exif\0\0" + header + directory)


def insert(jpeg, *segments):
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


JPEG = encode(SMOOTH, ".jpg")
FILES = {
    "jpeg, colours halved both ways": JPEG,
    "jpeg, all colours": encode(SMOOTH, ".jpg", cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
    "jpeg, progressive, low quality": encode(
        SMOOTH, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 40
    ),
    "grayscale jpeg": encode(GRAY, ".jpg"),
    "png": encode(SMOOTH, ".png"),
    "grayscale png": encode(GRAY, ".png"),
    "16-bit png": encode(SMOOTH.astype(np.uint16) * 257, ".png"),
    "transparent png": encode(np.dstack([SMOOTH, ALPHA]), ".png"),
    "bmp": encode(SMOOTH, ".bmp"),
    "grayscale bmp": encode(GRAY, ".bmp"),
    "webp": encode(SMOOTH, ".webp"),
    **{f"orientation {i}": insert(JPEG, exif(i)) for i in range(1, 9)},
    "big-endian orientation": insert(JPEG, exif(6, ">")),
    "orientation after others": insert(JPEG, segment(0xE2, b"x" * 700), exif(8, entries_before=5)),
    "another tag": insert(JPEG, exif(6, tag=0x0113)),
}


@pytest.mark.parametrize("name", FILES)
def test_pixels_equal_those_of_reading(name):
    np.testing.assert_array_equal(decode_encoded_image(tf.constant(FILES[name])), decode_image(FILES[name], name))


def test_the_first_frame_of_a_gif():
    first, second = (Image.fromarray(np.full((5, 7, 3), value, np.uint8)) for value in (40, 200))
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode_encoded_image(tf.constant(file.getvalue())), np.full((5, 7, 3), 40))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(JPEG[:2] + b"\xff\xe1", id="cut off in a segment"),
        pytest.param(insert(JPEG, exif(6))[:30], id="cut off in a directory"),
        pytest.param(insert(JPEG, exif(0)), id="no orientation"),
        pytest.param(insert(JPEG, exif(9)), id="an orientation that does not exist"),
        pytest.param(insert(JPEG, segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")), id="a directory out of reach"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_damaged_header_leaves_the_image_unrotated(data):
    assert read_orientation(tf.constant(data)) == 1


def test_a_damaged_image_is_an_error_of_the_runtime():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_encoded_image(tf.constant(JPEG[: len(JPEG) // 2]))
