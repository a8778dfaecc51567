"""Records through the commands: writing them, training on them, and users' mistakes."""

import json
import shutil

import numpy as np
import pytest

from keras_centernet.cli import main
from keras_centernet.data import load_dataset
from tests.helpers.tiny_backbone import TINY

TRAIN = f"--backbone {TINY} --input-size 64 --batch-size 3 --epochs 1 --verbose 0"


def write(photos, output, *more):
    return main(["make-tfrecords", "--data", str(photos), "--output", str(output), *more])


def test_two_splits_in_one_folder(photos, tmp_path, capsys):
    records = tmp_path / "records"
    assert write(photos, records, "--split", "train", "--shards", "2") == 0
    assert "6 images with 6 objects of 2 classes, 2 file(s)" in capsys.readouterr().out
    assert write(photos, records, "--split", "val") == 0
    assert {path.name for path in records.iterdir()} == {
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
        "val-00000-of-00001.tfrecord",
        "dataset.json",
        "label_map.pbtxt",
    }
    assert [load_dataset(records, split, input_size=64, batch_size=2).source.size for split in ("train", "val")] == [
        6,
        4,
    ]


def test_without_a_split_option_all_splits_are_written_also_made_ones(photos, tmp_path):
    assert write(photos, tmp_path / "listed") == 0
    assert set(json.loads((tmp_path / "listed" / "dataset.json").read_text())["splits"]) == {"train", "val"}
    pool = tmp_path / "pool"
    shutil.copytree(photos, pool, ignore=shutil.ignore_patterns("ImageSets"))
    assert write(pool, tmp_path / "made", "--val-share", "0.3") == 0
    splits = json.loads((tmp_path / "made" / "dataset.json").read_text())["splits"]
    assert set(splits) == {"train", "val"}
    assert sum(split["images"] for split in splits.values()) == 10
    assert write(pool, tmp_path / "whole", "--split", "all", "--classes", "dog", "--class-map", "cat=dog") == 0
    described = json.loads((tmp_path / "whole" / "dataset.json").read_text())
    assert (described["splits"]["all"]["images"], described["classes"]) == (10, ["dog"])


@pytest.mark.slow
@pytest.mark.parametrize("on_service", [False, True])
def test_training_on_records(on_service, photos, tmp_path, data_service):
    records, run = tmp_path / "records", tmp_path / "run"
    assert write(photos, records, "--split", "train", "--shards", "3") == write(photos, records, "--split", "val") == 0
    more = ["--data-service", data_service, "--mosaic", "0"] if on_service else []
    assert main(["train", "--data", str(records), "--output", str(run), *TRAIN.split(), *more]) == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 4
    assert np.isfinite(float((run / "history.csv").read_text().splitlines()[1].split(",")[1]))


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("twice", ["--split", "train"], "output: expected a folder without split 'train'"),
        ("too many shards", ["--split", "val", "--shards", "9"], "shards: expected a number from 1 to the 4 images"),
        ("no such task", ["--split", "val", "--task", "tracking"], "Unknown task"),
        ("fields that are not there", ["--split", "val", "--task", "pose"], "format voc has no keypoints_xyv"),
        ("no such split", ["--split", "day"], "expected a split of train, val, or all, got 'day'"),
    ],
)
def test_a_mistake_is_one_line(name, more, message, photos, tmp_path, capsys):
    assert write(photos, tmp_path / "records", "--split", "train") == 0
    before = sorted(path.name for path in (tmp_path / "records").iterdir())
    capsys.readouterr()
    assert write(photos, tmp_path / "records", *more) == 2
    error = capsys.readouterr().err
    (line,) = [line for line in error.splitlines() if line.startswith("keras-centernet: ")]
    assert message in line
    assert "Traceback" not in error
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == before


def test_a_data_service_that_does_not_answer(photos, tmp_path, capsys):
    assert write(photos, tmp_path / "records") == 0
    command = ["train", "--data", str(tmp_path / "records"), "--output", str(tmp_path / "run"), *TRAIN.split()]
    assert main([*command, "--data-service", "127.0.0.1:5000", "--mosaic", "0"]) == 2
    assert "data_service: expected an address such as grpc://" in capsys.readouterr().err
