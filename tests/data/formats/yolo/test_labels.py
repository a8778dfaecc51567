"""Lines of label files: boxes, polygons, rotated boxes, keypoints, and invalid lines."""

import re

import numpy as np
import pytest

from keras_centernet.data import load_dataset
from keras_centernet.data.formats.opening import read_source
from keras_centernet.errors import DataWarning, UserError

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def write(write_files):
    """write(text of the label file, more lines of data.yaml) -> folder with one image."""

    def write(text, more=""):
        yaml = f"train: images\nnames: [cat, dog]\n{more}\n"
        return write_files({"images/a.png": None, "labels/a.txt": text, "data.yaml": yaml})

    return write


def slow_box(line):
    """The box of a line in pixels, computed as the format's description says."""
    numbers = [float(text) for text in line.split()][1:]
    if len(numbers) == 4:
        x, y, width, height = numbers
        xs, ys = [x - width / 2, x + width / 2], [y - height / 2, y + height / 2]
    else:
        xs, ys = numbers[::2], numbers[1::2]
    return [min(xs) * WIDTH, min(ys) * HEIGHT, max(xs) * WIDTH, max(ys) * HEIGHT]


KINDS = {
    "box": ["0 0.5 0.5 0.25 0.5", "1 .1 .2 .1 .1"],
    "class as a fraction": ["0.0 0.5 0.5 0.25 0.5", "1.000 1e-1 2E-1 .1 .1"],
    "triangle": ["1 0 0 0.5 0 0.5 0.25"],
    "polygon": ["0 .1 .2 .3 .1 .5 .4 .2 .6 .15 .3"],
    "turned box": ["1 .5 .1 .7 .3 .5 .5 .3 .3"],
    "all of them": ["0 .5 .5 .2 .2", "1 0 0 .5 0 .5 .25", "0 .5 .1 .7 .3 .5 .5 .3 .3"],
    "over the border": ["0 .95 .1 .3 .2", "1 -.1 .2 .3 .5 .6 .1"],
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "  \t\n\n"])
def test_lines(name, end, write, boxes_of):
    lines = KINDS[name]
    source = read_source(write(end.join(lines) + end), "train")
    expected = [("cat" if line[0] == "0" else "dog", *slow_box(line)) for line in lines]
    for row, reference in zip(boxes_of(source)["a.png"], expected, strict=True):
        assert row[0] == reference[0]
        np.testing.assert_allclose(row[1:], reference[1:], atol=1e-3)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_byte_order_marks_are_dropped(encoding, write, boxes_of):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    folder = write("")
    (folder / "labels" / "a.txt").write_bytes(mark + "0 .5 .5 .25 .5\n".encode(encoding))
    assert boxes_of(read_source(folder, "train"))["a.png"] == [("cat", 24, 12, 40, 36)]


FORMS = "expected 'class cx cy w h' or 'class x1 y1 x2 y2 x3 y3 ...'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.2\n", f"line 1: {FORMS} (keypoints need 'kpt_shape' in data.yaml), got '0 0.5 0.5 0.2'."),
        (
            "0 .5 .5 .2 .2 .9\n",
            "line 1: expected 'class cx cy w h' (five numbers; labels have no confidence, remove the",
        ),
        ("0 .1 .2 .3 .4 .5 .6 .7\n", f"line 1: {FORMS} (keypoints need 'kpt_shape' in data.yaml), got '0 .1 .2"),
        ("0 0.5 0.5 x 0.2\n", f"line 1: {FORMS} in finite numbers, got '0 0.5 0.5 x 0.2'."),
        ("0 .5 .5 .2 .2\n0 nan .5 .2 .2\n", f"line 2: {FORMS} in finite numbers, got '0 nan .5 .2 .2'."),
        ("0 .5 .5 inf .2\n", f"line 1: {FORMS} in finite numbers, got '0 .5 .5 inf .2'."),
        ("0 0 0 .5 0 nan .25\n", f"line 1: {FORMS} in finite numbers, got '0 0 0 .5 0 nan .25'."),
        ("nan .5 .5 .2 .2\n", f"line 1: {FORMS} in finite numbers, got 'nan .5 .5 .2 .2'."),
        ("0,.5,.5,.2,.2\n", f"line 1: {FORMS} in finite numbers, got '0,.5,.5,.2,.2'."),
        ("cat .5 .5 .2 .2\n", f"line 1: {FORMS} in finite numbers, got 'cat .5 .5 .2 .2'."),
        ("0 .5 .5 .2 .²\n", f"line 1: {FORMS} in finite numbers, got '0 .5 .5 .2 .²'."),
        (
            "\n2 0.5 0.5 0.2 0.2\n",
            "line 2: expected a class from 0 to 1 (correct it, or the names of the classes), got",
        ),
        ("-1 0.5 0.5 0.2 0.2\n", "line 1: expected a class from 0 to 1 (correct it, or the names of the classes), got"),
        (
            "0.5 0.5 0.5 0.2 0.2\n",
            "line 1: expected a class from 0 to 1 (correct it, or the names of the classes), got",
        ),
        ("1e300 0.5 0.5 0.2 0.2\n", "line 1: expected a class from 0 to 1 (correct it, or the names of the classes)"),
        ("0 20 20 10 10\n", "line 1: expected fractions of the image (0 to 1), got pixels: 15.0 15.0 25.0 25.0."),
        ("0 10 10 90 10 90 40\n", "line 1: expected fractions of the image (0 to 1), got pixels: 10.0 10.0 90.0 40.0."),
        ("0 1e300 .5 .2 .2\n", "line 1: expected "),
        ("0 " + " ".join(["7"] * 9001), "got '0 7 7 7"),
        ("0\0 .5 .5 .2 .2\n", "line 1: expected"),
    ],
)
def test_broken_lines_are_named(text, message, write):
    folder = write(text)
    with pytest.raises(UserError, match=re.escape(f"{folder}/labels/a.txt, ") + ".*" + re.escape(message)) as caught:
        read_source(folder, "train")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_broken_files_are_named(write):
    folder = write("")
    path = folder / "labels" / "a.txt"
    path.write_bytes(b"0 .5 .5 .2 .2\n\xe9\n")
    with pytest.raises(UserError, match=r"a.txt, line 2: expected text in UTF-8, got other bytes; save it as UTF-8"):
        read_source(folder, "train")
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"a.txt: expected a file, got a folder"):
        read_source(folder, "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1.5 0.5 0.5 0.5\n0 1 0.5 0.5 0.5\n", "1 object(s) skipped, box completely outside the image; first: "),
        (
            "0 .5 .5 -.2 .2\n1 .5 .5 .2 .2\n",
            "1 object(s) skipped, box empty or inverted (expected x1 < x2 and y1 < y2)",
        ),
        ("0 .5 .5 .2 .2\n0 .5 .5 .2 .2\n", "1 object(s) skipped, class and box given twice in one image; first: "),
    ],
)
def test_boxes_that_no_detector_can_learn_are_counted(text, message, write):
    with pytest.warns(DataWarning, match=re.escape(message) + ".*a.png"):
        assert read_source(write(text), "train").object_counts.tolist() == [1]


PAIR = "kpt_shape: [2, 2]\nflip_idx: [1, 0]"
MARKED = "kpt_shape: [3, 3]\nflip_idx: [0, 2, 1]"
POSES = {
    "two values, as many as a turned box has": (
        PAIR,
        "0 .25 .3 .25 .25 .2 .3 .21 .31",
        [[12.8, 14.4, 2], [13.44, 14.88, 2]],
    ),
    "none there": (PAIR, "0 .25 .3 .25 .25 0 0 -1 .5", [[0, 0, 0], [0, 0, 0]]),
    "at the upper border": (PAIR, "0 .25 .3 .25 .25 .5 0 0 .5", [[32, 0, 2], [0, 24, 2]]),
    "visibilities": (
        MARKED,
        "1 .5 .5 .5 .5 .25 .5 2.000000 .5 .25 1 0 0 0",
        [[16, 24, 2], [32, 12, 1], [0, 0, 0]],
    ),
    "a box alone": (MARKED, "1 .5 .5 .5 .5", [[0, 0, 0]] * 3),
    "over the border": (PAIR, "0 .5 .5 .5 .5 1.1 .5 .5 1.5", [[70.4, 24, 2], [32, 72, 2]]),
}


@pytest.mark.parametrize("name", POSES)
def test_keypoints(name, write, boxes_of):
    more, line, expected = POSES[name]
    source = read_source(write(line, more), "train", fields=("keypoints_xyv",))
    (example,) = source.examples().as_numpy_iterator()
    np.testing.assert_allclose(example["keypoints_xyv"], [expected], atol=1e-4)
    box = slow_box(" ".join(line.split()[:5]))
    np.testing.assert_allclose(example["boxes_xyxy"], [box], atol=1e-3)
    alone = read_source(write(line, more), "train")  # a task without keypoints
    assert alone.fields == alone.task_options == {}
    np.testing.assert_allclose(boxes_of(alone)["a.png"][0][1:], box, atol=1e-3)


@pytest.mark.parametrize(
    ("more", "line", "message"),
    [
        (PAIR, "0 .5 .5 .2", "expected 'class cx cy w h' and 2 times 'x y' as 'kpt_shape' says (9 numbers), got"),
        (PAIR, "0 .5 .5 .2 .2 .1 .1", "expected 'class cx cy w h' and 2 times 'x y' as 'kpt_shape' says (9 numbers)"),
        (MARKED, "0 .5 .5 .2 .2" + " .5" * 6, "and 3 times 'x y visibility' as 'kpt_shape' says (14 numbers), got"),
        (MARKED, "0 .5 .5 .2 .2" + " .5 .5 .9" * 3, "expected 0, 1 or 2 as visibility of every keypoint, got"),
        (MARKED, "0 .5 .5 .2 .2" + " .5 .5 3" * 3, "expected 0, 1 or 2 as visibility of every keypoint, got"),
        (MARKED, "0 .5 .5 .2 .2" + " .5 nan 2" * 3, "in finite numbers, got"),
        (PAIR, "0 .5 .5 .2 .2 30 20 31 21", "expected keypoints in fractions of the image (0 to 1), not in pixels"),
    ],
)
@pytest.mark.parametrize("fields", [(), ("keypoints_xyv",)])
def test_broken_keypoints_are_named(more, line, message, fields, write):
    with pytest.raises(UserError, match="a.txt, line 1: .*" + re.escape(message)):
        read_source(write(line, more), "train", fields=fields)


@pytest.mark.slow
def test_keypoints_go_the_whole_way(write):
    folder = write("0 .5 .5 .5 .5 .25 .5 .75 .25", PAIR)
    data = load_dataset(folder, "train", task="pose", input_size=64, batch_size=1, flip=1.0, augmentation="none")
    _, objects = next(iter(data))
    # x -> 64 - x, y + 8 of the letterbox; the first keypoint is the mirrored image's second.
    np.testing.assert_allclose(objects["keypoints_xyv"][0, 0], [[16, 20, 2], [48, 32, 2]], atol=1e-4)
    without = load_dataset(
        write("0 .5 .5 .5 .5 .25 .5 .75 .25", "kpt_shape: [2, 2]"), "train", task="pose", training=False
    )
    assert not without.source.sides_known
