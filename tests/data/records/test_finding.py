"""Which files belong to a split, and the errors for missing ones."""

import re

import pytest

from keras_centernet.data.records.finding import RecordFiles, is_record_data
from keras_centernet.errors import DataWarning, UserError


@pytest.fixture
def files(tmp_path):
    """files(names) makes empty files and returns their folder."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def names(data, split):
    return [path.name for path in RecordFiles(str(data)).of(split)]


@pytest.mark.parametrize(
    ("name", "is_record"),
    [
        ("a.tfrecord", True),
        ("a.tfrecords", True),
        ("a.tfrec", True),
        ("a.record", True),
        ("a.RECORDS", True),
        ("coco_train.record-00000-of-00100", True),
        ("train-00000-of-00004.tfrecord", True),
        ("coco-train.tfrecord-00000-of-00016", True),
        ("a.tfrecord.gz", True),
        ("part-00000-of-00002", True),
        ("set.v2_train-00000-of-00002", True),
        ("my set 00-1234.tfrec", True),
        ("model.ckpt-1.data-00000-of-00001", False),
        ("train-00000-of-00001.parquet", False),
        ("records.txt", False),
        ("a.tfrecord.json", False),
    ],
)
def test_names_of_record_files(name, is_record, files):
    folder = files(name, "label_map.pbtxt")
    assert is_record_data(folder / name) is is_record_data(folder) is is_record


API = [f"coco_train.record-{i:05d}-of-00002" for i in range(2)] + [
    "coco_val.record-00000-of-00001",
    "x_trainval.record",
]


def test_splits_are_words_in_the_names(files):
    found = RecordFiles(files(*API, "label_map.pbtxt", "model.ckpt-1.data-00000-of-00001", "notes.txt"))
    assert found.splits() == ("trainval", "train", "val")
    assert [[path.name for path in found.of(split)] for split in found.splits()] == [API[3:], API[:2], API[2:3]]
    assert [path.name for path in found.of(None)] == API


def test_numbered_files_of_one_split(files):
    folder = files("train00-2071.tfrec", "train01-2071.tfrec", "test00-687.tfrec")
    assert RecordFiles(folder).splits() == ("train", "test")
    assert names(folder, "train") == ["train00-2071.tfrec", "train01-2071.tfrec"]
    assert RecordFiles(folder).splits("train01") == ("train01", "train", "test")
    assert names(folder, "train01") == ["train01-2071.tfrec"]


def test_splits_may_be_folders(files):
    folder = files("train/Cells.tfrecord", "valid/Cells.tfrecord", "test/notes.txt", "readme.txt")
    assert is_record_data(folder)
    found = RecordFiles(folder)
    assert found.splits() == ("train", "valid")
    assert found.of("valid") == [folder / "valid" / "Cells.tfrecord"]
    assert found.of(None) == [folder / name / "Cells.tfrecord" for name in ("train", "valid")]


def test_files_that_are_named_after_no_split_are_a_pool(files):
    folder = files("part-00000-of-00002", "part-00001-of-00002")
    assert RecordFiles(folder).splits() == ()
    assert len(names(folder, None)) == 2
    assert names(folder / "part-00001*", None) == ["part-00001-of-00002"]
    folder = files("train.tfrecord")
    with pytest.warns(DataWarning, match=r"2 record file\(s\) of .* left out, they are named after no split; first"):
        assert names(folder, "train") == ["train.tfrecord"]


def test_names_with_glob_characters(files):
    folder = files("a[1]/train [2].tfrecord") / "a[1]"
    for data in (folder, folder / "train [2].tfrecord", folder.parent / "a*" / "*.tfrecord"):
        assert is_record_data(data)
        assert names(data, "train") == ["train [2].tfrecord"]


def test_missing_files_are_named(files):
    folder = files("train-00000-of-00003.tfrecord", "train-00002-of-00003.tfrecord")
    message = "train-00001-of-00003.tfrecord: expected 3 files, got 2; copy the missing ones"
    with pytest.raises(UserError, match=re.escape(message)):
        names(folder, "train")
    assert len(names(folder / "train-*", "train")) == 2  # a pattern may match fewer


@pytest.mark.parametrize("data", ["nowhere", "nowhere/*.tfrecord"])
def test_a_path_without_records_is_refused(data, files):
    folder = files("notes.txt")
    assert not is_record_data(folder)
    with pytest.raises(UserError, match=r"data: expected record files such as train-00000-of-00004\.tfrecord, got"):
        RecordFiles(folder / data)
