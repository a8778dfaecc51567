"""The training images that follow from a run's settings."""

import dataclasses

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.data import load_dataset
from keras_centernet.data.formats import shapes
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.method.specs import FieldSpec
from keras_centernet.runs.datasets import has_mosaics, load_datasets
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.user_code import resolve
from keras_centernet.tasks.table import TASKS, TaskRow

SIZES = {"input_size": 64, "batch_size": 3}
CHANGES = {"vertical_flip": 0.5, "hsv": (0.1, 0.7, 0.4), "mosaic": 0.5, "mixup": 0.5}
MODULE = """
def darken(example):
    return {"image": example["image"] // 2}

NOTHING = 3

def build_arrows(classes):
    raise NotImplementedError  # data are loaded before the task is built
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Makes `shapes` small and puts a user's own module into the current folder."""
    monkeypatch.setattr(shapes, "SPLIT_SIZES", {"train": 6, "val": 3, "test": 3})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "changes_of_mine.py").write_text(MODULE)


def load(**options):
    return load_datasets(TrainSettings("shapes", **SIZES, **options), Devices(["CPU"]))


@pytest.mark.slow
def test_the_last_epochs_of_a_run_are_neither_mosaics_nor_mixed():
    data = load(epochs=5, close_mosaic=2, **CHANGES)
    always, never = (load_dataset("shapes", **SIZES, **CHANGES | more) for more in ({}, {"mosaic": 0.0, "mixup": 0.0}))
    expected = [*always.for_epochs(0, 3), *never.for_epochs(3, 5)]
    for (images, _), (wanted, _) in zip(data.train.for_epochs(0, 5), expected, strict=True):
        np.testing.assert_array_equal(images, wanted)
    plain = load_dataset("shapes", "val", **SIZES)
    np.testing.assert_array_equal(next(iter(data.val))[0], next(iter(plain))[0])


def test_mosaics_are_for_images_of_few_objects():
    """The images of `shapes` hold five objects on average."""
    asked = {"mosaic": 1.0, "epochs": 3}
    few, many = (load(mosaic_below=below, **asked) for below in (100.0, 0.5))
    alone, always = load(epochs=3), load(**asked)
    for found, expected in ((few, always), (many, alone)):
        for data in (found.train, found.load_train(batch_size=3)):
            images = next(iter(data.for_epochs(0, 1)))[0]
            np.testing.assert_array_equal(images, next(iter(expected.train.for_epochs(0, 1)))[0])


def test_mosaics_of_an_own_task_need_not_build_it():
    data = load(task="changes_of_mine:build_arrows", mosaic=0.5, epochs=3, vertical_flip=0.5)
    assert next(iter(data.train))[0].shape == (3, 64, 64, 3)


def test_hidden_regions_are_no_objects_that_decide_on_mosaics_in_files_or_records(write_kitti, tmp_path):
    car = "Car 0 0 0 {0} 20 {1} 60 0 0 0 0 0 0 0"
    hidden = "DontCare -1 -1 -10 {0} 70 {1} 90 -1 -1 -1 -1000 -1000 -1000 -10"
    lines = [car.format(x, x + 30) for x in (10, 60)] + [hidden.format(x, x + 30) for x in (10, 60, 110)]
    files = read_source(write_kitti({f"{i:06}": lines for i in range(4)}), "all")
    write_tfrecords(files, "train", tmp_path / "records", 1)
    records = read_source(tmp_path / "records", "train")
    assert files.objects == records.objects == 8
    for source in (files, records):
        below = [has_mosaics(TrainSettings("x", mosaic=1.0, mosaic_below=most), source) for most in (2.0, 2.1)]
        assert below == [False, True]


def test_a_users_own_task_has_the_fields_and_defaults_of_its_row(monkeypatch):
    def first_batch(**options):
        return next(iter(load(**options).train.for_epochs(0, 1)))

    task = "changes_of_mine:build_arrows"
    np.testing.assert_array_equal(first_batch(task=task)[0], first_batch()[0])
    row = TaskRow(resolve(task, "--task"), (), flip=0.0, max_objects=90)
    monkeypatch.setitem(TASKS, "arrows", row)
    images, objects = first_batch(task=task)
    np.testing.assert_array_equal(images, first_batch(flip=0.0)[0])
    assert not np.array_equal(images, first_batch()[0])
    assert objects["boxes_xyxy"].shape == (3, 90, 4)
    monkeypatch.setitem(TASKS, "arrows", dataclasses.replace(row, fields={"turn": FieldSpec()}))
    with pytest.raises(UserError, match="format shapes has no turn, which this task needs"):
        load(task=task)


@pytest.mark.slow
def test_augment_can_name_a_users_own_function():
    images, wanted = (
        np.concatenate([images for images, _ in load(**options).train.for_epochs(0, 1)])
        for options in ({"augment": "changes_of_mine:darken"}, {})
    )
    assert images.max() <= 128
    np.testing.assert_allclose(images, wanted / 2, atol=1.5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("changes_of_mine:lighten", "--augment changes_of_mine:lighten: expected an object of module changes_of_mine"),
        ("changes_of_mine:NOTHING", "augment: expected a function of an example, got 3"),
    ],
)
def test_names_that_are_no_function_are_refused(name, message):
    with pytest.raises(UserError, match=message):
        load(augment=name)
