"""The table of tasks: which errors are a user's mistakes."""

import dataclasses

import pytest

from keras_centernet.errors import UserError
from keras_centernet.tasks.table import TASKS, TaskRow, find_task, task_row


def test_an_unknown_option_is_the_users_mistake():
    with pytest.raises(UserError, match=r"task_options of detection: .*'colour'.*Its options are radius, .*, nms"):
        find_task("detection", ("a",), options={"colour": "red"})


def test_an_error_inside_a_builder_is_not_the_users_mistake():
    def build_broken(classes, radius="published"):
        return len(5)

    with pytest.raises(TypeError, match="has no len"):
        find_task(build_broken, ("a",), options={"radius": "geometric"})


def build_mine(classes):
    return dataclasses.replace(find_task("pose", classes), name="of_mine")


def test_the_row_of_a_task_is_found_by_its_key_its_name_or_its_builder(monkeypatch):
    pose = TASKS["pose"]
    assert task_row("pose") is task_row(pose.build) is task_row(find_task("pose")) is pose
    monkeypatch.setitem(TASKS, "arrows", TaskRow(build_mine, (), flip=0.0))
    assert task_row(build_mine) is task_row(find_task(build_mine)) is TASKS["arrows"]


@pytest.mark.parametrize("name", TASKS)
def test_a_row_says_whether_its_task_needs_a_camera(name):
    assert TASKS[name].needs_camera == find_task(name).needs_camera


def test_a_users_own_task_without_a_row_has_the_defaults_and_a_misspelt_one_is_refused():
    for own in (build_mine, find_task(build_mine)):
        row = task_row(own)
        assert (row.fields, row.augmentation, row.flip, row.color) == ({}, "crop", 0.5, True)
    for wrong in ("poetry", "mine:build_task", 5):
        with pytest.raises(UserError, match=rf"Unknown task: expected one of detection, .*; got {wrong!r}"):
            task_row(wrong)
