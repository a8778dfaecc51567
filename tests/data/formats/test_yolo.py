import re

import numpy as np
import pytest

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.yolo import read_yolo
from keras_centernet.errors import DataWarning, UserError

LABELS = {"a": "1 0.5 0.5 0.25 0.5\n0 0.125 0.25 0.25 0.5\n", "b": None, "c": "", "d": "0 0 0 0.5 0 0.5 0.25\n"}


def test_reads_boxes_in_pixels_polygons_and_empty_images(write_yolo, examples_of):
    source = read_yolo(DataRequest(write_yolo(LABELS), "train"))
    assert source.classes == ("cat", "dog")
    assert source.object_counts.tolist() == [2, 0, 0, 1]
    first, *_, last = examples_of(source)
    np.testing.assert_allclose(first["boxes_xyxy"], [(24, 12, 40, 36), (0, 0, 16, 24)])
    assert first["classes"].tolist() == [1, 0]
    assert first["areas"].tolist() == [16 * 24, 16 * 24]
    np.testing.assert_allclose(last["boxes_xyxy"], [(0, 0, 32, 12)])  # the polygon's extent


@pytest.mark.parametrize(
    "yaml",
    [
        "train: images/train\nnames: ['cat', \"dog\"]",
        "train: ../images/train\nnc: 2\nnames: [cat, dog]",
        "path: elsewhere/yolo  # not on this machine\ntrain: images/train\nnames:\n  0: cat\n  1: dog\n",
        "train:\n  - images/train\nnames:\n- cat\n- dog\n",
        "train: [images/train]\nnames: {0: cat, 1: dog}",
        "train: list.txt\nnames: [cat,\n  dog]",
    ],
)
def test_spellings_of_data_yaml(yaml, write_yolo):
    folder = write_yolo(LABELS, yaml)
    (folder / "list.txt").write_text("".join(f"./images/train/{stem}.png\n" for stem in LABELS))
    source = read_yolo(DataRequest(folder, "train"))
    assert (source.classes, source.size) == (("cat", "dog"), 4)
    assert source.object_counts.sum() == 3


def test_boxes_outside_the_image(write_yolo):
    with pytest.warns(DataWarning, match="1 object.s. skipped, box completely outside the image; first: .*a.png"):
        source = read_yolo(DataRequest(write_yolo({"a": "0 1.5 0.5 0.5 0.5\n0 1 0.5 0.5 0.5\n"}), "train"))
    assert source.object_counts.tolist() == [1]


def test_labels_without_image_are_counted(write_yolo):
    folder = write_yolo(LABELS)
    (folder / "images" / "train" / "a.png").unlink()
    message = "1 label file(s) of split 'train' skipped, no image of that name; first: "
    with pytest.warns(DataWarning, match=re.escape(message) + ".*a.txt"):
        assert read_yolo(DataRequest(folder, "train")).size == 3


def test_order_of_classes_can_be_given(write_yolo, examples_of):
    source = read_yolo(DataRequest(write_yolo(LABELS), "train", classes=("dog", "cat")))
    assert examples_of(source)[0]["classes"].tolist() == [0, 1]
    with pytest.raises(UserError, match=re.escape("expected objects of the classes [dog], got also [cat]")):
        read_yolo(DataRequest(write_yolo(LABELS), "train", classes=("dog",)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0 0.5 0.5 0.2\n",
            "a.txt, line 1: expected 'class cx cy w h' or 'class x1 y1 x2 y2 x3 y3 ...', got '0 0.5 0.5 0.2'.",
        ),
        ("0 0.5 0.5 x 0.2\n", "a.txt, line 1: expected 'class cx cy w h'"),
        ("\n2 0.5 0.5 0.2 0.2\n", "a.txt, line 2: expected a class from 0 to 1, got 2; correct 'names'."),
        ("0 20 20 10 10\n", "a.txt, line 1: expected fractions of the image (0 to 1), got pixels: '0 20 20 10 10'."),
    ],
)
def test_broken_labels_are_named_with_their_line(text, message, write_yolo):
    with pytest.raises(UserError, match=re.escape(message)):
        read_yolo(DataRequest(write_yolo({"a": text}), "train"))


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images/train\n", "expected 'names', a list or a map of class names, got None."),
        ("train: images/train\nnames: {1: cat}\n", "expected the keys of 'names' to count from 0, got [1]."),
        ("train: images/train\nnames: {a: cat}\n", "expected numbers as keys of 'names', got ['a']."),
        ("train: images/train\nnc: 3\nnames: [cat, dog]\n", "expected 3 'names' as 'nc' says, got 2."),
        ("val: images/train\nnames: [cat, dog]\n", "expected a folder for split 'train', got none; splits found: val."),
        ("train: images/no\nnames: [cat, dog]\n", "images/no, which does not exist."),
        ("train: labels\nnames: [cat, dog]\n", "got an empty split."),
        ("names: [[cat]]\n", "expected 'names', a list or a map of class names, got [['cat']]."),
        ("just words\n", "expected lines 'key: value', got 'just words'."),
        ("names: [cat\n", "expected YAML, got an error: expected ',' or ']', but got '<stream end>'."),
        ("names:\n  - cat\n  1: dog\n", ", line 3: expected YAML, got an error: expected <block end>, but found '?'."),
    ],
)
def test_broken_data_yaml_is_named(yaml, message, write_yolo):
    with pytest.raises(UserError, match=re.escape("data.yaml") + ".*" + re.escape(message)):
        read_yolo(DataRequest(write_yolo(LABELS, yaml), "train"))


def test_folder_without_data_yaml(tmp_path):
    with pytest.raises(UserError, match=r"expected a data.yaml, got none; pass the YAML file itself as `data`."):
        read_yolo(DataRequest(tmp_path, "train"))


def test_yaml_of_other_tools(write_yolo):
    yaml = (
        "# made by a tool\n---\ntrain: list#1.txt   # all\nnames: ['traffic, light', \"b # c\", it''s, no, 1]\nnc: 5\n"
        "roboflow: &made\n  license: MIT\nmap: {0: *made, 1: 'y'}\ndownload: |\n  import os\n  print('a: b')\ntest:\n"
    )
    folder = write_yolo({"a": LABELS["a"]}, yaml)
    (folder / "list#1.txt").write_text("images/train/a.png\n")
    source = read_yolo(DataRequest(folder, "train"))
    assert source.classes == ("traffic, light", "b # c", "it''s", "no", "1")
    with pytest.raises(UserError, match="expected a folder for split 'test', got none; splits found: train"):
        read_yolo(DataRequest(folder, "test"))


def test_data_yaml_that_is_no_text(write_yolo):
    folder = write_yolo(LABELS)
    (folder / "data.yaml").write_bytes(b"\xff\x00")
    with pytest.raises(UserError, match=r"data.yaml: expected a text file in YAML, got .*"):
        read_yolo(DataRequest(folder, "train"))
