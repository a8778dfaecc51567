import re
import struct

import cv2
import numpy as np
import pytest

from keras_centernet.data.images import check_image, decode_image, read_image
from keras_centernet.errors import UserError

GRADIENT = np.stack(np.broadcast_arrays(np.arange(0, 240, 4)[:, None], np.arange(40) * 5, 99), -1).astype(np.uint8)


def encode(image, suffix=".jpg"):
    return cv2.imencode(suffix, image)[1].tobytes()


def with_orientation(jpeg, orientation, thumbnail=b""):
    """Returns the JPEG with an EXIF segment that says how to turn it, and perhaps a thumbnail in it."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    payload = b"Exif\0\0" + tiff + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


@pytest.mark.parametrize(
    ("name", "encoded", "expected"),
    [
        ("rgb png", encode(GRADIENT[..., ::-1], ".png"), GRADIENT),
        ("grayscale", encode(GRADIENT[..., 0], ".png"), GRADIENT[..., :1].repeat(3, -1)),
        ("16-bit grayscale", encode(GRADIENT[..., 0].astype(np.uint16) * 257, ".png"), GRADIENT[..., :1].repeat(3, -1)),
        ("16-bit colour", encode(GRADIENT[..., ::-1].astype(np.uint16) * 257, ".png"), GRADIENT),
        (
            "transparent",
            encode(np.dstack([GRADIENT[..., ::-1], np.zeros((60, 40), np.uint8)]), ".png"),
            GRADIENT,
        ),
        ("one pixel", encode(GRADIENT[:1, :1, ::-1], ".png"), GRADIENT[:1, :1]),
        ("bmp", encode(GRADIENT[..., ::-1], ".bmp"), GRADIENT),
        ("tiff", encode(GRADIENT[..., ::-1], ".tiff"), GRADIENT),
    ],
)
def test_every_kind_of_image_becomes_uint8_rgb(name, encoded, expected, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(encoded)
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)
    check_image(path)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(orientation, turns):
    jpeg = encode(GRADIENT[..., ::-1])
    upright = decode_image(with_orientation(jpeg, orientation), "x")
    np.testing.assert_array_equal(upright, np.rot90(decode_image(jpeg, "x"), turns))


WHOLE = encode(GRADIENT)
BAD_FILES = [
    (
        "truncated jpeg",
        WHOLE[:400],
        "expected a complete file, got one cut off after 400 bytes; fetch it again or remove it.",
    ),
    (
        "truncated jpeg with a whole thumbnail",
        with_orientation(WHOLE, 1, WHOLE)[: -len(WHOLE) // 2],
        "expected a complete file, got one cut off after",
    ),
    ("truncated png", encode(GRADIENT, ".png")[:-20], "expected a complete file, got one cut off after"),
    (
        "empty",
        b"",
        "expected a JPEG, PNG, BMP, WebP, GIF or TIFF file, got 0 bytes that cannot be decoded; convert or",
    ),
    ("text", b"<html>404</html>", "got 16 bytes that cannot be decoded"),
    ("32-bit tiff", encode(np.ones((4, 4), np.float32), ".tiff"), "cannot be decoded"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES, ids=[row[0] for row in BAD_FILES])
@pytest.mark.parametrize("function", [read_image, check_image])
def test_bad_files_are_one_clear_line(function, name, content, message, tmp_path):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"image {path}: ") + ".*" + re.escape(message)):
        function(path)


@pytest.mark.parametrize("function", [read_image, check_image])
def test_missing_file(function, tmp_path):
    message = "no.jpg: expected a readable file, got 'No such file or directory'; correct or remove its entry."
    with pytest.raises(UserError, match=re.escape(message)):
        function(tmp_path / "no.jpg")


@pytest.mark.parametrize("trailer", [b"\0" * 40, b"\r\n", b"camera maker's data " * 30])
def test_bytes_after_the_end_of_a_jpeg_are_legal(trailer, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(WHOLE + trailer)
    assert read_image(path).shape == (60, 40, 3)
    check_image(path)


def test_only_decoding_finds_damage_in_the_middle(tmp_path):
    path = tmp_path / "a.png"
    content = bytearray(encode(np.random.default_rng(0).integers(0, 255, (60, 40, 3), np.uint8), ".png"))
    content[2000:2050] = b"\0" * 50
    path.write_bytes(content)
    check_image(path)
    with pytest.raises(UserError, match="cannot be decoded"):
        check_image(path, decode=True)
