"""`dataset.json`: which files it names, and a one-line error for every impossible value."""

import copy
import json
import re

import pytest

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.records.description import fields_of, read_description
from keras_centernet.data.records.finding import RecordFiles
from keras_centernet.data.records.reading import read_tfrecord
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import UserError
from keras_centernet.method.specs import FieldSpec

KEYPOINTS = {"dtype": "float32", "shape": [2, 3], "of_image": False, "record_key": "image/object/keypoint"}
GOOD = {
    "format": "keras_centernet records",
    "version": 1,
    "classes": ["cat", "dog"],
    "category_ids": [7, None],
    "fields": {"keypoints_xyv": KEYPOINTS},
    "task_options": {
        "skeleton": {"names": ["nose", "tail"], "flip_pairs": [], "limbs": [[0, 1]], "sigmas": [0.1, 0.1]}
    },
    "splits": {
        "val": {
            "images": 2,
            "objects": 3,
            "most_objects": 2,
            "class_objects": [3, 0],
            "own_image_ids": ["x", None],
            "shards": {
                "a.tfrecord": {"images": 1, "bytes": 60, "with_objects": "80"},
                "c.tfrecord": {"images": 1, "bytes": 60},
            },
        },
        "test": {"images": 1, "objects": 0, "most_objects": 0, "shards": {"d.tfrecord": {"images": 1, "bytes": 60}}},
    },
}


@pytest.fixture
def write(tmp_path):
    """write(content) -> folder with three empty record files and `dataset.json`."""

    def write(content):
        for name in "abc":
            (tmp_path / f"{name}.tfrecord").touch()
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "dataset.json").write_text(text)
        return tmp_path

    return write


def changed(place, value=...):
    """Returns GOOD with another value at "key/key/..."; without a value the key is removed."""
    content = copy.deepcopy(GOOD)
    *path, last = place.split("/")
    inner = content
    for key in path:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return content


def test_it_names_the_files_of_each_split(write):
    found = RecordFiles(write(GOOD))
    assert found.splits() == found.splits("train") == ("val", "test")
    assert [path.name for path in found.of("val")] == ["a.tfrecord", "c.tfrecord"]
    assert fields_of(found.description) == {
        "keypoints_xyv": FieldSpec("float32", (2, 3), False, "image/object/keypoint")
    }
    folder = write(GOOD)
    assert [path.name for path in RecordFiles(folder / "c.tfrecord").of("val")] == ["c.tfrecord"]
    for data, split, message in (
        (folder, "test", "expected d.tfrecord (1 missing), got none; copy the folder again."),
        (folder / "b.tfrecord", "val", "expected files of split 'val' among its 1, got none of them."),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            RecordFiles(data).of(split)
    with pytest.raises(UserError, match=re.escape("expected a split of val, test, or all, got 'train'")):
        read_tfrecord(DataRequest(folder, "train"))


def test_older_descriptions_with_fewer_keys_are_read(write):
    content = changed("category_ids")
    content["fields"] = ["keypoints_xyv", "truncations"]
    for key in ("class_objects", "own_image_ids"):
        del content["splits"]["val"][key]
    fields = fields_of(read_description(write(content | {"more": 1})))
    assert fields["keypoints_xyv"].shape == (2, 3)
    assert fields["truncations"].dtype == "float32"


@pytest.mark.parametrize("content", ['{"title": "mine"}', "[]", "5", '{"format": "other", "version": 9}'])
def test_a_file_of_that_name_from_another_program_is_ignored(content, write):
    assert read_description(write(content)) is None


@pytest.mark.parametrize("place", ["classes", "fields", "task_options", "splits"])
def test_missing_keys(place, write):
    with pytest.raises(
        UserError, match=rf"dataset.json: expected the key '{place}' as its content, got \[.*; write the"
    ):
        read_description(write(changed(place)))


SPLIT, SHARD = "splits/val", "splits/val/shards/a.tfrecord"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("version", 2, "version 1, got 2 (update keras_centernet if that is newer)"),
        ("version", "1", "version 1, got '1' (update"),
        ("version", True, "version 1, got True"),
        ("classes", 5, "a list as classes, got 5"),
        ("classes", [], "different names as classes, got []"),
        ("classes", ["cat", 5], "a text as classes.1, got 5"),
        ("classes", ["cat", "c\0"], "a text as classes.1, got 'c\\x00'"),
        ("classes", ["cat", "cat"], "different names as classes, got ['cat', 'cat']"),
        ("category_ids", [1], "2 category_ids, one for each class, got 1"),
        ("category_ids", "1 2", "a list as category_ids, got '1 2'"),
        ("fields", 5, "an object as fields, got 5"),
        ("fields", ["keypoints"], "fields of is_hidden, rotations_y, truncations"),
        ("fields", [["keypoints"]], "a text as fields.0, got ['keypoints']"),
        ("fields/keypoints_xyv", [], "an object as fields.keypoints_xyv, got []"),
        ("fields/keypoints_xyv/dtype", "float33", "a type of TensorFlow and a shape in fields.keypoints_xyv, got"),
        ("fields/keypoints_xyv/shape", [2, None], "a whole number from 0 as fields.keypoints_xyv.shape.1, got None"),
        ("fields/keypoints_xyv/shape", [4, 3], "the shape [2, 3] of the skeleton in fields.keypoints_xyv, got [4, 3]"),
        ("fields/keypoints_xyv/of_image", 1, "true or false as fields.keypoints_xyv.of_image, got 1"),
        ("fields/keypoints_xyv/other", 1, "no key but dtype, shape, of_image, record_key as fields.keypoints_xyv, got"),
        (
            "fields/big",
            KEYPOINTS | {"shape": [2**40], "record_key": ""},
            "a type of TensorFlow and a shape in fields.big",
        ),
        ("task_options", [], "an object as task_options, got []"),
        ("task_options/skeleton", 5, "an object as task_options.skeleton, got 5"),
        ("task_options/skeleton/names", ["a", "a"], "a skeleton in task_options, got {"),
        ("task_options/skeleton/limbs", [[0, 9]], "a skeleton in task_options, got {"),
        ("task_options/skeleton/sigmas", "x", "a skeleton in task_options, got {"),
        ("task_options/skeleton/more", 1, "a skeleton in task_options, got {"),
        ("splits", [], "an object as splits, got []"),
        (SPLIT, 5, "an object as splits.val, got 5"),
        (
            f"{SPLIT}/images",
            "2",
            "a whole number from 0 as splits.val.images, got '2'",
        ),
        (f"{SPLIT}/images", 3, "3 images in the shards of splits.val, got 2"),
        (f"{SPLIT}/objects", -1, "a whole number from 0 as splits.val.objects, got -1"),
        (f"{SPLIT}/objects", 2, "2 class_objects in splits.val, up to 2 together, got [3, 0]"),
        (f"{SPLIT}/most_objects", "8", "a whole number from 0 as splits.val.most_objects, got '8'"),
        (f"{SPLIT}/most_objects", 1.5, "a whole number from 0 as splits.val.most_objects, got 1.5"),
        (f"{SPLIT}/most_objects", True, "a whole number from 0 as splits.val.most_objects, got True"),
        (f"{SPLIT}/most_objects", 10**30, "a whole number from 0 as splits.val.most_objects, got 1000"),
        (f"{SPLIT}/class_objects", [3], "2 class_objects in splits.val, up to 3 together, got [3]"),
        (f"{SPLIT}/own_image_ids", ["x"], "2 own_image_ids in splits.val, got 1"),
        (f"{SPLIT}/shards", {}, "2 images in the shards of splits.val, got 0"),
        (f"{SPLIT}/shards", ["a.tfrecord"], "an object as splits.val.shards, got ['a.tfrecord']"),
        (f"{SHARD}/bytes", ..., "the key 'bytes' as splits.val.shards.a.tfrecord, got ['images', 'with_objects']"),
        (f"{SHARD}/bytes", None, "a whole number from 0 as splits.val.shards.a.tfrecord.bytes, got None"),
        (f"{SHARD}/bytes", 0, "fewer images than bytes in splits.val.shards.a.tfrecord, got 1, 0"),
        (f"{SHARD}/with_objects", "8", "a mask of 1 images in splits.val.shards.a.tfrecord, got '8'"),
        (f"{SHARD}/with_objects", "8000", "a mask of 1 images in splits.val.shards.a.tfrecord, got '8000'"),
        (f"{SHARD}/with_objects", [True], "a text as splits.val.shards.a.tfrecord.with_objects, got [True]"),
    ],
)
def test_wrong_values_are_one_line_that_says_how_to_rewrite_the_file(place, value, message, write):
    with pytest.raises(UserError) as caught:
        RecordFiles(write(changed(place, value)))
    line = str(caught.value)
    assert f"dataset.json: expected {message}" in line
    assert line.endswith("; write the records anew with make-tfrecords --overwrite.")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "dataset.json: expected JSON, got a file that is none"),
        ("[" * 100_000, "dataset.json: expected JSON, got one that is nested too deeply; write"),
    ],
)
def test_damaged_files(content, message, write):
    with pytest.raises(UserError, match=re.escape(message)):
        read_description(write(content))


def test_what_is_written_fits(tmp_path):
    write_tfrecords(build_shapes(size=4, image_size=32), "train", tmp_path, 2)
    content = read_description(tmp_path)
    assert sum(content["splits"]["train"]["class_objects"]) == content["splits"]["train"]["objects"]
    path = tmp_path / "dataset.json"
    for wrong in (content | {"classes": 5}, content | {"category_ids": [1]}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match="write the records anew with make-tfrecords --overwrite"):
            read_tfrecord(DataRequest(tmp_path))
