"""What a YAML file may contain, and the errors for other content."""

import json
import re

import pytest

from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.errors import UserError
from keras_centernet.tasks.skeletons import COCO_PERSON

PUBLISHED = """# Ultralytics AGPL-3.0 License - https://ultralytics.com/license
# parent
# └── datasets
#     └── zoo  ← downloads here (7 MB)

path: ../datasets/zoo # dataset root dir
train: # train images (relative to 'path')  2 images
  - images/train
val: images/train
test: # test images (optional)

anchors:
  - [10,13, 16,30, 33,23]  # P3/8
nc: 2
names:
  0: 'no'
  1: "1"
kpt_shape: null
flip_idx: ~
roboflow: &made
  license: MIT
  version: 3
defaults: &defaults
  optimizer: SGD
hyper:
  <<: *defaults
  license: *made
download: |
  from pathlib import Path
  dir = Path(yaml["path"])  # dataset root dir
  urls = [f'{dir}: a', "b"]
"""
FLIP_IDX = "[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]"
POINTS = " ".join(["0.5"] * 34)


@pytest.fixture
def write(write_files):
    """write(text of data.yaml) -> folder with an image in images/train and one object of class 0."""

    def write(text, line="0 .5 .5 .5 .5"):
        return write_files({"images/train/a.png": None, "labels/train/a.txt": line, "data.yaml": text})

    return write


def test_a_published_file_is_read_and_its_unknown_keys_are_ignored(write):
    folder = write(PUBLISHED)
    assert splits_of(folder) == ("train", "val")
    source = read_source(folder, "train")
    assert source.classes == ("no", "1")  # names stay texts: never a boolean or a number
    assert source.object_counts.tolist() == [1]


@pytest.mark.parametrize(
    "text",
    [
        "names: ['cat', \"dog\"]",
        "nc: 2\nnames: [cat, dog]",
        "names:\n  0: cat\n  1: dog\npath:",
        "names: {1: dog, 0: cat}\npath: null\n",
        "---\nnames: [cat,\n  dog]\npath: '.'\n...\n",
        '{"names": ["cat", "dog"], "path": ""}',
    ],
)
def test_spellings_of_names(text, write):
    lines = text.replace('{"', '{"train": "images/train", "') if text[0] == "{" else f"train: images/train\n{text}"
    lines = lines.replace("train: images/train\n---\n", "---\ntrain: images/train\n")
    assert read_source(write(lines), "train").classes == ("cat", "dog")


def test_encodings_of_the_file(write_files):
    text = "train: images\nnames: [Käfer, 猫]\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        files = {"images/a.png": None, "labels/a.txt": "1 .5 .5 .5 .5", "data.yaml": text.encode(encoding)}
        assert read_source(write_files(files), "train").classes == ("Käfer", "猫")
    folder = write_files({"data.yaml": text[:27].encode("latin-1")})
    with pytest.raises(
        UserError, match=r"data.yaml, line 2: expected text in UTF-8, got other bytes; save it as UTF-8"
    ):
        read_source(folder, "train")


def test_a_number_of_classes_alone_numbers_their_names(write):
    assert read_source(write("train: images/train\nnc: 3\n"), "train").classes == ("class_0", "class_1", "class_2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/train\n", "expected 'names', a list or a map of class names, got None."),
        ("train: images/train\nnames: cat\n", "expected 'names', a list or a map of class names, got 'cat'."),
        ("train: images/train\nnames: []\n", "expected 'names', a list or a map of class names, got []."),
        ("train: images/train\nnames: [[cat]]\n", "expected 'names', a list or a map of class names, got [['cat']]."),
        (
            "train: images/train\nnames: {0: [cat]}\n",
            "expected 'names', a list or a map of class names, got [['cat']].",
        ),
        ("train: images/train\nnames: &n [*n]\n", "expected 'names', a list or a map of class names, got [[["),
        ("train: images/train\nnames: {1: cat}\n", "expected the keys of 'names' to count from 0, got [1]."),
        ("train: images/train\nnames: {a: cat}\n", "expected numbers as keys of 'names', got ['a']."),
        ("train: images/train\nnc: 3\nnames: [cat, dog]\n", "expected '3' 'names' as 'nc' says, got 2."),
        ("train: images/train\nnc: [1]\nnames: [cat]\n", "expected ['1'] 'names' as 'nc' says, got 1."),
        ("train: images/train\nnc: [1]\n", "expected 'names', a list or a map of class names, got None."),
        ("path: [x]\ntrain: images/train\nnames: [a]\n", "expected one folder as 'path', got ['x']."),
        ("path: {a: b}\ntrain: images/train\nnames: [a]\n", "expected one folder as 'path', got {'a': 'b'}."),
        ('path: "a\\0b"\ntrain: images/train\nnames: [a]\n', r"expected one folder as 'path', got 'a\x00b'."),
        ("train: {a: b}\nnames: [a]\n", "expected a folder, a list of images, or several of them as 'train', got {"),
        ("train: [{a: b}]\nnames: [a]\n", "expected a folder, a list of images, or several of them as 'train', got [{"),
        ("train: &n [*n]\nnames: [a]\n", "expected a folder, a list of images, or several of them as 'train', got [["),
        ("train: 5\nnames: [a]\n", "expected a folder or a list of images for split 'train', got '5'; looked for"),
        (
            f"train: {'x' * 9000}\nnames: [a]\n",
            "expected a folder, a list of images, or several of them as 'train', got 'x",
        ),
        (f"train: {'x' * 300}\nnames: [a]\n", "expected a folder or a list of images for split 'train', got 'xxx"),
        (f"path: {'x' * 300}\ntrain: y\nnames: [a]\n", "expected a folder or a list of images for split 'train', got"),
        ("train: images/train\nnames: [a]\nkpt_shape: 17\n", "expected [number of keypoints, 2 or 3] as 'kpt_shape'"),
        ("train: images/train\nnames: [a]\nkpt_shape: [2]\n", "expected [number of keypoints, 2 or 3] as 'kpt_shape'"),
        ("train: images/train\nnames: [a]\nkpt_shape: [a, 2]\n", "[number of keypoints, 2 or 3] as 'kpt_shape', got"),
        ("train: images/train\nnames: [a]\nkpt_shape: [2, 4]\n", "[number of keypoints, 2 or 3] as 'kpt_shape', got"),
        ("train: images/train\nnames: [a]\nkpt_shape: [0, 3]\n", "[number of keypoints, 2 or 3] as 'kpt_shape', got"),
        ("just words\n", "expected lines 'key: value', got 'just words'."),
        ("- names\n", "expected lines 'key: value', got ['names']."),
        ("", "expected lines 'key: value', got None."),
        ("names: [cat\n", ", line 2: expected YAML, got an error: expected ',' or ']', but got '<stream end>'."),
        ("names:\n  - cat\n  1: dog\n", ", line 3: expected YAML, got an error: expected <block end>, but found '?'."),
        ("names: [cat]\n\ttrain: x\n", ", line 2: expected YAML, got an error: "),
        (
            "names: !!python/name:os.system\n",
            ", line 1: expected YAML, got an error: could not determine a constructor",
        ),
        ("names: !!timestamp x\n", ": expected YAML, got "),
        ("? [a]\n: b\n", ", line 1: expected YAML, got an error: found unhashable key."),
        ("names: [a\0b]\n", ": expected YAML, got unacceptable character #x0000: special characters are not allowed."),
        (f"names: {'[' * 5000}", "expected YAML, got "),
    ],
)
@pytest.mark.parametrize("file_itself", [True, False], ids=["file", "folder"])
def test_wrong_values_are_one_line_that_names_the_file(text, message, file_itself, write):
    folder = write(text)
    with pytest.raises(UserError, match=re.escape("data.yaml") + ".*" + re.escape(message)) as caught:
        read_source(folder / "data.yaml" if file_itself else folder, "train", "yolo")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_aliases_that_expand_exponentially_are_refused_soon(write):
    bomb = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]\n" for i in range(12))
    for key in ("names", "train", "path", "kpt_shape"):
        with pytest.raises(UserError, match=rf"data.yaml: expected .*{key}"):
            read_source(write(f"{bomb}{key}: *a11\n" + "names: [a]\n" * (key != "names")), "train")


POSE = f"train: images/train\nnames: [person]\nkpt_shape: [17, 2]\nflip_idx: {FLIP_IDX}\n"
ANIMAL = "train: images/train\nnames: [cat, dog]\nkpt_shape: [3, 2]\n"
THREE = "0 .5 .5 .5 .5" + " .5" * 6


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (POSE, f"0 .5 .5 .5 .5 {POINTS}", COCO_PERSON),
        (
            ANIMAL + "flip_idx: [1, 0, 2]\n",
            THREE,
            {"names": ["keypoint_0", "keypoint_1", "keypoint_2"], "flip_pairs": [[0, 1]], "sides_known": True},
        ),
        (ANIMAL + "flip_idx: [0, 1, 2]\n", THREE, {"flip_pairs": [], "sides_known": True}),
        (ANIMAL, THREE, {"flip_pairs": [], "sides_known": False}),
        (
            ANIMAL + "kpt_names:\n  0: [left_ear, right_ear, tail]\n  1: [left_ear, right_ear, tail]\n",
            THREE,
            {"names": ["left_ear", "right_ear", "tail"], "flip_pairs": [[0, 1]], "sides_known": True},
        ),
        (ANIMAL + "kpt_names: [[a, b, c]]\nflip_idx: [2, 1, 0]\n", THREE, {"names": ["a", "b", "c"]}),
        (ANIMAL + "kpt_names: [a, b, c]\nflip_idx: [2, 1, 0]\n", THREE, {"flip_pairs": [[0, 2]]}),
    ],
)
def test_skeletons(text, line, expected, write):
    skeleton = read_source(write(text, line), "train", fields=("keypoints_xyv",)).task_options["skeleton"]
    expected = expected if isinstance(expected, dict) else expected.to_dict()
    assert {key: skeleton[key] for key in expected} == json.loads(json.dumps(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flip_idx: 5", "expected 3 numbers from 0 to 2 that exchange keypoints in pairs as 'flip_idx', got '5'."),
        ("flip_idx: [0, 1]", "expected 3 numbers from 0 to 2 that exchange keypoints in pairs as 'flip_idx', got ['0'"),
        ("flip_idx: [1, 2, 0]", "expected 3 numbers from 0 to 2 that exchange keypoints in pairs as 'flip_idx', got ["),
        ("flip_idx: [0, 1, 3]", "expected 3 numbers from 0 to 2 that exchange keypoints in pairs as 'flip_idx', got ["),
        ("flip_idx: [a, 1, 2]", "expected 3 numbers from 0 to 2 that exchange keypoints in pairs as 'flip_idx', got ["),
        ("kpt_names: [a, b]", "expected 3 different names of keypoints as 'kpt_names', got ['a', 'b']."),
        ("kpt_names: [a, a, b]", "expected 3 different names of keypoints as 'kpt_names', got ['a', 'a', 'b']."),
        ("kpt_names: 7", "expected 3 different names of keypoints as 'kpt_names', got '7'."),
        ("kpt_names: {x: [a, b, c]}", "expected numbers as keys of 'kpt_names', got ['x']."),
    ],
)
def test_wrong_skeletons(text, message, write):
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(write(ANIMAL + text, THREE), "train", fields=("keypoints_xyv",))


def test_a_pose_task_needs_kpt_shape(write):
    folder = write("train: images/train\nnames: [cat]\n")
    with pytest.raises(UserError, match=r"data.yaml: expected 'kpt_shape' in a YAML file, .* got none; pass another"):
        read_source(folder, "train", fields=("keypoints_xyv",))
