"""Which files are a split's, and what is said when they are not all there."""

import json
import re

import pytest

from keras_centernet.data.records.finding import find_records, is_record_data
from keras_centernet.errors import UserError


@pytest.fixture
def files(tmp_path):
    """files(names) makes empty files and returns their folder."""

    def make(*names):
        for name in names:
            (tmp_path / name).touch()
        return tmp_path

    return make


def names(data, split):
    return [path.name for path in find_records(str(data), split)[0]]


API = [f"coco_train.record-{i:05d}-of-00002" for i in range(2)] + [
    "coco_val.record-00000-of-00001",
    "x_trainval.record",
]


@pytest.mark.parametrize(
    ("split", "expected"), [("train", API[:2]), ("val", API[2:3]), ("validation", API[2:3]), ("trainval", API[3:])]
)
def test_splits_are_words_in_the_names(split, expected, files):
    folder = files(*API, "label_map.pbtxt", "model.ckpt-1.data-00000-of-00001", "notes.txt")
    assert names(folder, split) == expected
    assert is_record_data(folder)


def test_files_that_are_named_after_no_split_are_any(files):
    folder = files("part-00000-of-00002", "part-00001-of-00002")
    assert len(names(folder, "train")) == len(names(folder, "val")) == 2
    assert names(folder / "part-00001*", "train") == ["part-00001-of-00002"]
    assert is_record_data(folder / "part-00000-of-00002")
    folder = files("train.tfrecord")
    with pytest.raises(UserError, match=r"expected record files named after 'val', got .*, train\.tfrecord; choose"):
        names(folder, "val")


def test_missing_files_are_named(files):
    folder = files("train-00000-of-00003.tfrecord", "train-00002-of-00003.tfrecord")
    message = "train-00001-of-00003.tfrecord: expected 3 files, got 2; copy the missing ones"
    with pytest.raises(UserError, match=re.escape(message)):
        names(folder, "train")
    assert len(names(folder / "train-*", "train")) == 2  # a pattern may mean fewer


@pytest.mark.parametrize("data", ["nowhere", "nowhere/*.tfrecord"])
def test_nothing_there(data, files):
    folder = files("notes.txt")
    assert not is_record_data(folder)
    with pytest.raises(UserError, match=r"data: expected record files such as train-00000-of-00004\.tfrecord, got"):
        names(folder / data, "train")


def test_description_says_which_files(files):
    folder = files("a.tfrecord", "b.tfrecord", "c.tfrecord")
    shards = {"val": {"shards": {"a.tfrecord": {}, "c.tfrecord": {}}}, "test": {"shards": {"d.tfrecord": {}}}}
    content = {"format": "keras_centernet records", "version": 1, "classes": [], "fields": [], "task_options": {}}
    (folder / "dataset.json").write_text(json.dumps(content | {"splits": shards}))
    assert names(folder, "valid") == ["a.tfrecord", "c.tfrecord"]
    assert names(folder / "c.tfrecord", "val") == ["c.tfrecord"]
    for data, split, message in (
        (folder, "train", "expected a split of val, test, got 'train'."),
        (folder, "test", "expected d.tfrecord (1 missing), got none; copy the folder again."),
        (folder / "b.tfrecord", "val", "expected files of split 'val' among its 1, got none of them."),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            names(data, split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "dataset.json: expected a JSON file, it cannot be read"),
        ('{"format": "keras_centernet records", "version": 2}', "dataset.json: expected version 1, got 2."),
        ('{"format": "keras_centernet records", "version": 1}', "dataset.json: expected classes, fields, task_options"),
    ],
)
def test_damaged_description(content, message, files):
    folder = files("a.tfrecord")
    (folder / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        names(folder, "train")


def test_a_file_of_that_name_by_others_is_left_alone(files):
    folder = files("a.tfrecord")
    (folder / "dataset.json").write_text('{"title": "mine"}')
    assert find_records(folder, "train") == ([folder / "a.tfrecord"], None)
