"""Randomly damaged label files, lists and descriptions are read, or refused in one line."""

import random

import pytest

from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import UserError

ULTRALYTICS = {
    "data.yaml": "path: .\ntrain: [images/train, l.txt]\nval: images/train\nnc: 2\nnames: {0: cat, 1: dog}\n"
    "kpt_shape: [2, 3]\nflip_idx: [1, 0]\nkpt_names: {0: [a, b]}\ndownload: |\n  x = 1\n",
    "labels/train/a.txt": "0 .5 .5 .2 .2 .1 .1 2 .3 .3 1\n1 .4 .4 .3 .3\n",
    "l.txt": "./images/train/a.png\n/home/x/images/train/a.png\n",
}
DARKNET = {
    "obj.data": "classes = 2\ntrain = data/train.txt\nvalid = data/train.txt\nnames = data/obj.names\n",
    "obj.names": "cat\ndog\n",
    "train.txt": "data/images/train/a.png\n",
    "images/train/a.txt": "0 .5 .5 .2 .2\n",
}
SIGNS = ["\0", "[", "]", "{", "}", "'", '"', "&a", "*a", "<<: *a", "\t", ": ", "\n", "!!int", ",", "..", "/", "é"]
VALUES = ["-1", "1e999", "nan", "null", "9" * 30, "x" * 300]
TOKENS = [text.encode() for text in SIGNS + VALUES] + [b"\xff", b"\xef\xbb\xbf"]


def damaged(content, rng):
    content = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        start, length = rng.randrange(len(content) + 1), rng.choice([0, 0, 0, 1, 4])
        content[start : start + length] = rng.choice([*TOKENS, b""])
    return bytes(content)


@pytest.mark.filterwarnings("ignore::keras_centernet.errors.DataWarning")
@pytest.mark.parametrize(
    ("texts", "fields", "seed"),
    [(ULTRALYTICS, ("keypoints_xyv",), 0), (ULTRALYTICS, ("keypoints_xyv",), 1), (DARKNET, (), 2)],
)
def test_damaged_files_are_read_or_refused_in_one_line(texts, fields, seed, write_files):
    rng, folder = random.Random(seed), write_files({"images/train/a.png": None, **texts})
    for _ in range(80):
        name = rng.choice(list(texts))
        (folder / name).write_bytes(damaged(texts[name].encode(), rng))
        line = ""
        try:
            find_format(folder)
            splits_of(folder, "yolo")
            assert read_source(folder, "train", "yolo", fields).size == 1
        except UserError as error:
            line = str(error)
        assert "\n" not in line
        (folder / name).write_text(texts[name])
