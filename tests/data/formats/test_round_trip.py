"""A random data set that was written in any format is read back unchanged: boxes, classes, splits."""

import hashlib

import cv2
import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.formats.table import find_format
from keras_centernet.data.names import match_split
from tests.helpers.data_sets import SPLITS, WRITERS, draw


def contents_of(folder, split):
    """Returns ({hash of an image's pixels: sorted [(class, x1, y1, x2, y2)]}, classes), as read."""
    source, images = read_source(folder, split), {}
    for example in source.examples().as_numpy_iterator():
        names = [source.classes[index] for index in example["classes"]]
        rows = [(name, *map(float, box)) for name, box in zip(names, example["boxes_xyxy"], strict=True)]
        images[hash_of(example["image"])] = sorted(rows)
    return images, source.classes


def hash_of(pixels):
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def expected_of(images):
    """Returns what `contents_of` should return, with pixels as JPEG leaves them."""
    rows = {}
    for name, (pixels, objects) in images.items():
        encoded = cv2.imencode(f".{name.rpartition('.')[2]}", pixels[..., ::-1])[1]
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
        rows[hash_of(np.ascontiguousarray(decoded))] = sorted((name, *box.tolist()) for name, box in objects)
    return rows


@pytest.mark.parametrize("name", ["CreateML", "LabelMe", "COCO, Roboflow's"])
def test_remote_data_are_read_alike(name, tmp_path, to_ram):
    write, format, classes = WRITERS[name]
    write(tmp_path / "data", draw(0, classes))
    remote = to_ram(tmp_path / "data")
    assert find_format(remote) == format
    assert contents_of(remote, "val") == contents_of(tmp_path / "data", "val")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize("name", WRITERS)
def test_what_was_written_is_read(name, seed, tmp_path):
    write, format, expected_classes = WRITERS[name]
    data, folder = draw(seed, expected_classes), tmp_path / "data"
    folder.mkdir()
    write(folder, data)
    assert find_format(folder) == format
    known = splits_of(folder)
    assert known is None or {match_split(split, known) for split in SPLITS} == set(known)
    for split in SPLITS:
        images, classes = contents_of(folder, split)
        expected = expected_of(data[split])
        assert classes == expected_classes
        assert images.keys() == expected.keys()
        for key, rows in expected.items():
            assert [row[0] for row in images[key]] == [row[0] for row in rows]
            np.testing.assert_allclose([row[1:] for row in images[key]], [row[1:] for row in rows], atol=0.01)
