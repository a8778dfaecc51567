"""A server's batch with damaged images: they get empty rows and a status; the others' rows stay the same."""

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_centernet.data.image_headers.tensors import count_pixels, first_gif_frame
from keras_centernet.data.in_graph import DAMAGED, FINE, STATUSES, TOO_LARGE
from keras_centernet.exporting import export_saved_model
from keras_centernet.exporting.encoded_images import read_encoded_image

TOP_K = 6
SMOOTH = cv2.resize(np.random.default_rng(3).integers(0, 256, (6, 7, 3), np.uint8), (61, 43))


def saved(kind, image=SMOOTH, mode=None, **options):
    file, image = io.BytesIO(), Image.fromarray(image)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def flipped(data, position, count=8):
    return data[:position] + bytes(byte ^ 0xFF for byte in data[position : position + count]) + data[position + count :]


def with_sides(data, old, new):
    assert data.count(old) == 1
    return data.replace(old, new)


JPEG, PNG, BMP = saved("JPEG"), saved("PNG"), saved("BMP")
PROGRESSIVE = saved("JPEG", progressive=True)
WEBP, LOSSLESS = saved("WEBP"), saved("WEBP", lossless=True)
WITH_ALPHA = saved("WEBP", np.dstack([SMOOTH, SMOOTH[..., :1]]))
ANIMATED = saved("GIF", SMOOTH, save_all=True, append_images=[Image.fromarray(255 - SMOOTH)] * 2, comment=b"x" * 300)
GOOD = {
    "jpeg": JPEG,
    "progressive jpeg": PROGRESSIVE,
    "cmyk jpeg": saved("JPEG", mode="CMYK"),
    "gray png": saved("PNG", SMOOTH[..., 0]),
    "16-bit png": saved("PNG", SMOOTH[..., 0].astype(np.uint16) * 257),
    "transparent png": saved("PNG", np.dstack([SMOOTH, SMOOTH[..., :1]])),
    "bmp": BMP,
    "transparent bmp": saved("BMP", np.dstack([SMOOTH, SMOOTH[..., :1]])),
    "webp": WEBP,
    "lossless webp": LOSSLESS,
    "webp with alpha": WITH_ALPHA,
    "animated gif": ANIMATED,
}
DAMAGE = {
    "empty": b"",
    "one byte": b"\xff",
    "text": b"<html>404</html>",
    "wrong mark": b"\0" + JPEG[1:],
    "only the mark of a jpeg": b"\xff\xd8\xff",
    "only the mark of a png": b"\x89PNG\r\n\x1a\n",
    "only the mark of a gif": b"GIF89a",
    "only the mark of a webp": b"RIFF\0\0\0\0WEBPVP8L",
    "a jpeg without pixels": with_sides(JPEG, struct.pack(">HH", 43, 61), bytes(4)),
    "tiff": saved("TIFF"),
    **{f"jpeg cut off at {share:.0%}": JPEG[: int(share * len(JPEG))] for share in (0.01, 0.2, 0.5, 0.8, 0.97)},
    **{f"png cut off at {share:.0%}": PNG[: int(share * len(PNG))] for share in (0.01, 0.2, 0.5, 0.8, 0.97)},
    **{f"bmp cut off at {share:.0%}": BMP[: int(share * len(BMP))] for share in (0.01, 0.5, 0.97)},
    **{f"webp cut off at {share:.0%}": WEBP[: int(share * len(WEBP))] for share in (0.01, 0.2)},
    "animated webp": saved("WEBP", save_all=True, append_images=[Image.fromarray(255 - SMOOTH)]),
    "gif cut off before its frame": ANIMATED[:40],
    "png with flipped header": flipped(PNG, 16),
    "png with flipped pixels": flipped(PNG, len(PNG) // 2),
    "jpeg with a flipped header": flipped(JPEG, 20, 200),
}
SIDE = 60_000
LARGE = {
    "jpeg": with_sides(JPEG, struct.pack(">HH", 43, 61), struct.pack(">HH", SIDE, SIDE)),
    "png": PNG[:8]
    + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(bytes(1000)))
    + chunk(b"IEND", b""),
    "bmp": with_sides(BMP, struct.pack("<ii", 61, 43), struct.pack("<ii", SIDE, SIDE)),
    "bmp from above": with_sides(BMP, struct.pack("<ii", 61, 43), struct.pack("<ii", SIDE, -SIDE)),
    "gif": with_sides(
        ANIMATED.replace(b"\x2c\0\0\0\0" + struct.pack("<HH", 61, 43), b"\x2c!!!!" + struct.pack("<HH", 61, 43), 1),
        b"\x2c!!!!" + struct.pack("<HH", 61, 43),
        b"\x2c\0\0\0\0" + struct.pack("<HH", SIDE, SIDE),
    ),
    "lossless webp": LOSSLESS[:21] + struct.pack("<I", 2**28 - 1) + LOSSLESS[25:],
    "webp with alpha": WITH_ALPHA[:24] + b"\xff\xff\0\xff\xff\0" + WITH_ALPHA[30:],
}


@pytest.fixture(scope="module")
def read():
    """`read_encoded_image` as a graph, traced once."""
    read = tf.function(read_encoded_image, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    return lambda data: read(tf.constant(data))


@pytest.fixture(scope="module")
def serve(tiny_model, tmp_path_factory):
    """Returns a function: encoded images -> {name: array}, computed by an untrained model's SavedModel."""
    folder = export_saved_model(tiny_model(), tmp_path_factory.mktemp("saved") / "model", top_k=TOP_K)
    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures["serving_default"]

    def serve(images):
        found = function(image_bytes=tf.constant(images, tf.string, shape=(len(images),)))
        return {key: value.numpy() for key, value in found.items()}

    serve.loaded = loaded  # a signature alone does not keep its variables alive
    return serve


@pytest.mark.slow
def test_one_of_each_kind_of_damage_changes_no_other_image(serve):
    batch, expected = [], []
    for i, damaged in enumerate([*DAMAGE.values(), *LARGE.values()]):
        batch += [list(GOOD.values())[i % len(GOOD)], damaged]
        expected += [FINE, DAMAGED if i < len(DAMAGE) else TOO_LARGE]
    found, alone = serve(batch), serve(batch[::2])
    np.testing.assert_array_equal(found["status"], expected)
    assert alone["status"].max() == FINE
    assert found["scores"][::2].min(axis=1).max() > 0
    for key in found.keys() - {"status"}:
        if found[key].dtype.kind == "f":  # convolutions round differently by the place in a batch
            np.testing.assert_allclose(found[key][::2], alone[key], rtol=1e-5, atol=1e-4, err_msg=key)
        else:
            np.testing.assert_array_equal(found[key][::2], alone[key], err_msg=key)
        empty = found[key][1::2]
        np.testing.assert_array_equal(empty, np.full_like(empty, b"" if key == "class_names" else 0), err_msg=key)


@pytest.mark.slow
def test_an_empty_batch_has_the_same_shapes(serve):
    one, none = serve([JPEG]), serve([])
    assert {key: (value.shape[1:], value.dtype) for key, value in none.items()} == {
        key: (value.shape[1:], value.dtype) for key, value in one.items()
    }
    assert all(len(value) == 0 for value in none.values())


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_a_status(name, read):
    image, status = read(DAMAGE[name])
    assert (int(status), int(tf.reduce_max(image))) == (DAMAGED, 0)


@pytest.mark.parametrize("name", LARGE)
def test_too_many_pixels_are_found_before_decoding(name, read):
    read(JPEG)
    start = time.process_time()
    assert int(read(LARGE[name])[1]) == TOO_LARGE
    assert time.process_time() - start < 0.5  # decoding would take longer


@pytest.mark.parametrize("name", GOOD)
def test_the_pixels_are_counted(name, read):
    assert int(count_pixels(tf.constant(GOOD[name]))) == 43 * 61
    image, status = read(GOOD[name])
    assert (int(status), image.shape) == (FINE, (43, 61, 3))


def test_every_status_has_a_meaning():
    assert sorted(STATUSES) == [FINE, DAMAGED, TOO_LARGE]


def test_only_the_first_frame_of_a_gif_counts():
    first, sides = first_gif_frame(tf.constant(ANIMATED))
    assert sides.numpy().tolist() == [61, 43]
    assert len(first.numpy()) < 0.6 * len(ANIMATED)
    with Image.open(io.BytesIO(first.numpy())) as image, Image.open(io.BytesIO(ANIMATED)) as whole:
        assert image.n_frames == 1
        np.testing.assert_array_equal(image.convert("RGB"), whole.convert("RGB"))


def gif_of_blocks(sizes):
    blocks = b"".join(bytes([size]) + bytes(size) for size in sizes)
    return b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b"\x21\xfe" + blocks + b"\0" + b"\x2c" + bytes(200)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty segments of a jpeg", JPEG[:2] + b"\xff\xe2\0\2" * 250_000 + JPEG[2:]),
        ("comments of a jpeg", JPEG[:2] + (b"\xff\xfe\0\3x" + b"\xff\xe2\0\2") * 100_000 + JPEG[2:]),
        ("empty chunks of a png", PNG[:33] + chunk(b"teXt", b"") * 80_000 + PNG[33:]),
        ("scans of a jpeg", PROGRESSIVE[:-2] + PROGRESSIVE[PROGRESSIVE.rfind(b"\xff\xda") : -2] * 20_000 + b"\xff\xd9"),
        ("blocks of a gif", gif_of_blocks([1, 2] * 200_000)),
        ("extensions of a gif", gif_of_blocks([])[:13] + b"\x21\xfe\0" * 300_000),
    ],
)
def test_scanning_a_header_ends_soon(name, data, read):
    read(JPEG)
    start = time.process_time()
    read(data)
    assert time.process_time() - start < 0.5
