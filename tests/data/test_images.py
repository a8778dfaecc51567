import contextlib
import io
import os
import re
import socket
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_centernet.data.images import check_image, decode_image, read_header, read_image
from keras_centernet.errors import UserError

GRADIENT = np.stack(np.broadcast_arrays(np.arange(0, 240, 4)[:, None], np.arange(40) * 5, 99), -1).astype(np.uint8)


def encode(image, suffix=".jpg"):
    return cv2.imencode(suffix, image)[1].tobytes()


def exif(orientation, order="<", others=0):
    """Returns EXIF data with an orientation tag, after `others` other entries."""
    entries = struct.pack(f"{order}HHII", 0x010F, 2, 40, 0) * others
    entries += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, others + 1) + entries + struct.pack(f"{order}I", 0)


def segment(payload, marker=0xE1):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_orientation(jpeg, orientation, thumbnail=b""):
    """Returns the JPEG with an EXIF segment that holds an orientation tag and optionally a thumbnail."""
    return jpeg[:2] + segment(b"Exif\0\0" + exif(orientation) + thumbnail) + jpeg[2:]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png, kind, data, at_end=False):
    position = len(png) - 12 if at_end else 33
    return png[:position] + chunk(kind, data) + png[position:]


def saved(image, kind, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def write(folder, content, name="image"):
    path = folder / name
    path.write_bytes(content)
    return path


def tiff(values, bits=16, photometric=1, stated=None, kind=1):
    """Returns a TIFF file of grey values; each row's bits are packed without gaps and padded to whole bytes."""
    rows = ["".join(format(int(value), f"0{bits}b") for value in row) for row in values]
    if bits < 16:
        data = b"".join(int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8)) for row in rows)
    else:
        data = values.tobytes()
    height, width = values.shape
    fields = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height, 279: len(data)}
    fields |= {339: kind} | ({} if stated is None else {281: stated})
    fields[273] = 8 + 2 + 12 * (len(fields) + 1) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag == 273 else 3, 1, fields[tag]) for tag in sorted(fields))
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + data


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
ADVICE = "correct the path; if a label file names it, correct or remove its entry."
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
        f"expected a readable file, got an empty file; {ADVICE}",
    ),
    ("text", b"<html>404</html>", "got 16 bytes that cannot be decoded"),
    ("half floats", tiff(np.ones((4, 4), np.float16), kind=3), "cannot be decoded"),
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
    message = f"no.jpg: expected a readable file, got 'No such file or directory'; {ADVICE}"
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


PNG = encode(GRADIENT[..., ::-1], ".png")
ORIENTED = {
    "jpeg": lambda orientation: with_orientation(encode(GRADIENT[..., ::-1]), orientation),
    "jpeg, other byte order": lambda orientation: saved(GRADIENT, "JPEG", exif=b"Exif\0\0" + exif(orientation, ">")),
    "jpeg, after others": lambda orientation: saved(GRADIENT, "JPEG", exif=b"Exif\0\0" + exif(orientation, "<", 7)),
    "jpeg, after a comment": lambda orientation: (
        WHOLE[:2] + segment(b"x" * 70_00, 0xFE) + with_orientation(WHOLE, orientation)[2:]
    ),
    "png": lambda orientation: with_chunk(PNG, b"eXIf", exif(orientation)),
    "png, at the end": lambda orientation: with_chunk(PNG, b"eXIf", exif(orientation), at_end=True),
    "webp": lambda orientation: saved(GRADIENT, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(orientation)),
    "lossy webp": lambda orientation: saved(GRADIENT, "WEBP", exif=exif(orientation)),
    "tiff": lambda orientation: saved(GRADIENT, "TIFF", tiffinfo={274: orientation}),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ORIENTED)
def test_the_header_tells_the_size_of_the_upright_image(kind, orientation, tmp_path):
    content = ORIENTED[kind](orientation)
    header = read_header(write(tmp_path, content))
    by_pillow = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert (header.stored_hw, header.orientation, header.hw) == ((60, 40), orientation, by_pillow.size[::-1])
    image = decode_image(content, "x")
    assert image.shape == (*header.hw, 3)
    np.testing.assert_allclose(image, np.int32(by_pillow.convert("RGB")), atol=60 if "lossy" in kind else 5)
    if "tiff" not in kind:  # OpenCV always rotates TIFF files
        assert decode_image(content, "x", upright=False).shape == (60, 40, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jpeg", WHOLE),
        ("progressive jpeg", saved(GRADIENT, "JPEG", progressive=True)),
        ("grayscale jpeg", encode(GRADIENT[..., 0])),
        ("jpeg with fill bytes", WHOLE[:2] + b"\xff\xff\xff" + WHOLE[2:]),
        ("jpeg with bytes between segments", WHOLE[:2] + segment(b"x", 0xFE) + b"abc" + WHOLE[2:]),
        ("jpeg whose orientation is none", with_orientation(WHOLE, 9)),
        ("jpeg whose orientation is out of reach", WHOLE[:2] + segment(b"Exif\0\0MM\0*\xff\xff\xff\xff") + WHOLE[2:]),
        ("png", PNG),
        ("png whose orientation is damaged", with_chunk(PNG, b"eXIf", exif(6)[:12])),
        ("palette", saved(GRADIENT[..., 0], "PNG", bits=4)),
        ("bmp", encode(GRADIENT, ".bmp")),
        ("bmp from above", encode(GRADIENT, ".bmp").replace(struct.pack("<i", 60), struct.pack("<i", -60), 1)),
        (
            "lossy webp",
            encode(
                GRADIENT,
                ".webp",
            ),
        ),
        ("lossless webp", saved(GRADIENT, "WEBP", lossless=True)),
        ("webp with alpha", saved(np.dstack([GRADIENT, GRADIENT[..., :1]]), "WEBP")),
        ("gif", saved(GRADIENT[..., 0], "GIF")),
        ("tiff", encode(GRADIENT, ".tiff")),
        ("big-endian tiff", saved(GRADIENT[..., 0].astype(">u2"), "TIFF")),
        ("tiff of 64-bit offsets", saved(GRADIENT, "TIFF", big_tiff=True)),
        ("pixmap", encode(GRADIENT, ".ppm")),
        ("jpeg 2000", saved(GRADIENT, "JPEG2000")),
        ("avif", saved(GRADIENT, "AVIF")),
    ],
)
def test_the_size_is_known_without_options(name, content, tmp_path):
    path = write(tmp_path, content)
    assert read_header(path).hw == check_image(path).hw == check_image(path, decode=True).hw == (60, 40)
    assert read_image(path).shape == (60, 40, 3)


@pytest.mark.parametrize("content", [WHOLE, PNG, encode(GRADIENT, ".bmp"), encode(GRADIENT, ".webp")])
def test_the_header_is_read_without_decoding(content, tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, "imdecode")
    assert read_header(write(tmp_path, content)).hw == (60, 40)


def as_large(content, old, new):
    assert content.count(old) == 1
    return content.replace(old, new)


HUGE = {
    "png": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", b"")
    + chunk(b"IEND", b""),
    "jpeg": as_large(WHOLE, struct.pack(">HH", 60, 40), struct.pack(">HH", 60_000, 60_000)),
    "bmp": as_large(encode(GRADIENT, ".bmp"), struct.pack("<ii", 40, 60), struct.pack("<ii", 60_000, 60_000)),
}


HUGE |= {
    "gif": b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + saved(GRADIENT[..., 0], "GIF")[10:],
    "tiff": tiff(np.zeros((1, 1), np.uint16)).replace(
        struct.pack("<HHII", 256, 3, 1, 1) + struct.pack("<HHII", 257, 3, 1, 1),
        struct.pack("<HHII", 256, 3, 1, 60_000) + struct.pack("<HHII", 257, 3, 1, 60_000),
    ),
    "pixmap": b"P6\n# huge\n60000 60000\n255\n" + bytes(100),
    "jpeg 2000": saved(GRADIENT, "JPEG2000").replace(struct.pack(">II", 60, 40), struct.pack(">II", 60_000, 60_000), 1),
    "codestream": b"\xff\x4f\xff\x51\0\x2f\0\0" + struct.pack(">4I", 60_000, 60_000, 0, 0) + bytes(100),
    "avif": b"\0\0\0\x1cftypavif" + bytes(20) + b"\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 60_000, 60_000),
}


@pytest.mark.parametrize("function", [read_image, check_image, read_header])
@pytest.mark.parametrize("kind", HUGE)
def test_a_header_that_promises_too_much_is_refused_before_decoding(kind, function, tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, "imdecode")
    path = write(tmp_path, HUGE[kind])
    problem = "got 60000 x 60000; remove or shrink it, or raise --max-pixels."
    with pytest.raises(UserError, match=re.escape(f"{path}: expected at most 200000000 pixels, {problem}")):
        function(path)


def test_the_caller_sets_the_limit_of_pixels(tmp_path):
    path = write(tmp_path, WHOLE)
    for function in (read_image, check_image, read_header):
        function(path, max_pixels=2400)
        with pytest.raises(UserError, match="at most 2399 pixels"):
            function(path, max_pixels=2399)


@pytest.mark.parametrize("function", [read_image, check_image, read_header])
def test_what_is_no_regular_file_is_one_line_and_never_blocks(function, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # socket paths must be short
        server.bind("socket")
        for path, kind in (
            (tmp_path, "a folder"),
            (tmp_path / "pipe", "a named pipe"),
            ("/dev/zero", "a device"),
            ("socket", "a socket"),
            ("/proc/self/status", "an empty file"),
            ("a\0b", "a name with a NUL"),
        ):
            message = f"image {path}: expected a readable file, got {kind}; {ADVICE}"
            with pytest.raises(UserError, match=re.escape(message)):
                function(path)


def repeated_scans(count):
    jpeg = saved(GRADIENT, "JPEG", progressive=True)
    last = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    return jpeg[:-2] + last * count + jpeg[-2:]


HEADERS = {
    "empty segments of a jpeg": WHOLE[:2] + b"\xff\xe2\0\2" * 300_000 + WHOLE[2:],
    "empty segments of a jpeg that is cut off": WHOLE[:2] + b"\xff\xe2\0\2" * 300_000,
    "empty chunks of a png": PNG[:33] + chunk(b"teXt", b"") * 300_000 + PNG[33:],
    "scans of a jpeg": repeated_scans(20_000),
}


@pytest.mark.parametrize("function", [read_image, read_header, check_image])
@pytest.mark.parametrize("kind", HEADERS)
def test_scanning_a_header_ends_soon(kind, function, tmp_path):
    path = write(tmp_path, HEADERS[kind])
    start = time.process_time()
    with contextlib.suppress(UserError):
        function(path)
    assert time.process_time() - start < 0.2


def test_a_jpeg_of_many_scans_is_not_decoded():
    with pytest.raises(UserError, match="cannot be decoded"):
        decode_image(repeated_scans(100), "x")
    assert decode_image(repeated_scans(0), "x").shape == (60, 40, 3)


DIRECTORY = struct.pack("<H", 2) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x112, 3, 1, 6)
LOOPS = {
    "an exif directory that follows itself": DIRECTORY + struct.pack("<I", 8),
    "values that are the directory": struct.pack("<HHHII", 1, 0x112, 3, 9, 8) + struct.pack("<I", 8),
    "a directory of 65535 entries": struct.pack("<H", 65535) + DIRECTORY[2:14] * 3000,
}


@pytest.mark.parametrize("kind", LOOPS)
def test_cyclic_exif_directories_end_soon(kind):
    exif_of = b"II*\0" + struct.pack("<I", 8) + LOOPS[kind]
    jpeg = WHOLE[:2] + segment(b"Exif\0\0" + exif_of) + WHOLE[2:]
    start = time.process_time()
    assert decode_image(jpeg, "x").size == 60 * 40 * 3
    with pytest.raises(UserError, match="cannot be decoded"):
        decode_image(exif_of, "a TIFF file of nothing else")
    assert time.process_time() - start < 0.1


def test_a_file_larger_than_any_image_is_not_read(tmp_path):
    path = tmp_path / "image.jpg"
    with path.open("wb") as file:
        file.write(WHOLE)
        file.truncate(1 << 40)  # a sparse file takes no space
    with pytest.raises(UserError, match="expected a file of at most 1600000000 bytes, got one of 1099511627776"):
        read_image(path)


RAMP = (np.arange(60 * 40).reshape(60, 40) * 4095 // 2399).astype(np.uint16)  # 0 to 4095
DEEP_PNG, COLOURS = encode(RAMP, ".png"), np.dstack([RAMP, RAMP // 2, RAMP // 3])
OPAQUE = np.full((60, 40), 65535, np.uint16)


@pytest.mark.parametrize(
    ("name", "content", "values", "white"),
    [
        ("8 bits in 16", encode(RAMP // 17, ".png"), RAMP // 17, 255),
        ("10 bits", encode(RAMP // 4, ".png"), RAMP // 4, 1023),
        ("12 bits", DEEP_PNG, RAMP, 4095),
        ("14 bits", encode(RAMP * 4, ".png"), RAMP * 4, 16383),
        ("16 bits", encode(RAMP * 16, ".png"), RAMP * 16, 65535),
        ("one value above 12 bits", encode(RAMP + 1, ".png"), RAMP + 1, 16383),
        ("black", encode(RAMP * 0, ".png"), RAMP * 0, 255),
        ("colours, stored as BGR", encode(COLOURS, ".png"), COLOURS[..., ::-1], 4095),
        ("alpha is no light", encode(np.dstack([COLOURS, OPAQUE]), ".png"), COLOURS[..., ::-1], 4095),
        (
            "a dark image of a sensor of 12 bits",
            with_chunk(encode(RAMP // 9, ".png"), b"sBIT", b"\x0c"),
            RAMP // 9,
            4095,
        ),
        ("12 bits at the upper end", with_chunk(encode(RAMP * 8, ".png"), b"sBIT", b"\x0c"), RAMP * 8, 65535),
        ("tiff", encode(RAMP, ".tiff"), RAMP, 4095),
        ("tiff that states white", tiff(RAMP // 9, stated=4095), RAMP // 9, 4095),
        ("tiff that states nothing", tiff(RAMP, stated=65535), RAMP, 4095),
        ("tiff whose statement is wrong", tiff(RAMP, stated=255), RAMP, 4095),
        ("tiff of 12 bits", tiff(RAMP // 9, bits=12), RAMP // 9, 4095),
        ("tiff of 10 bits", tiff(RAMP // 9, bits=10), RAMP // 9, 1023),
        ("negative tiff", tiff(RAMP, photometric=0), 4095 - RAMP, 4095),
        ("fractions", encode(np.float32(RAMP / 4095), ".tiff"), RAMP, 4095),
    ],
)
def test_more_than_8_bits_are_scaled_by_the_value_of_white(name, content, values, white, tmp_path):
    expected = np.round(values * (255 / white)).astype(np.uint8)
    image = read_image(write(tmp_path, content))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected if expected.ndim == 3 else expected[..., None].repeat(3, -1))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("fractions above 1", encode(np.float32(RAMP), ".tiff"), "float32 from 0 to 4095"),
        ("fractions below 0", encode(np.float32(RAMP / 4095 - 0.5), ".tiff"), "float32 from -0.5 to 0.5"),
        ("no number", encode(np.full((4, 4), np.nan, np.float32), ".tiff"), "float32 from nan to nan"),
        ("sign", tiff(RAMP.astype(np.int16), kind=2), "int16 from 0 to 4095"),
    ],
)
def test_values_without_a_known_white_are_refused(name, content, found, tmp_path):
    expected = "expected values of 8 or 16 bits without sign, or from 0 to 1"
    with pytest.raises(UserError, match=re.escape(f"{expected}, got {found}; convert or remove it.")):
        check_image(write(tmp_path, content))
