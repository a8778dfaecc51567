"""The table of tasks: which errors are a user's mistakes."""

import pytest

from keras_centernet.errors import UserError
from keras_centernet.tasks.table import find_task, task_row


def test_an_unknown_option_is_the_users_mistake():
    with pytest.raises(UserError, match=r"task_options of detection: .*'colour'.*Its options are radius, .*, nms"):
        find_task("detection", ("a",), options={"colour": "red"})


def test_an_error_inside_a_builder_is_not_the_users_mistake():
    def build_broken(classes, radius="published"):
        return len(5)

    with pytest.raises(TypeError, match="has no len"):
        find_task(build_broken, ("a",), options={"radius": "geometric"})


def test_a_users_own_task_has_the_default_row_and_a_misspelt_one_is_refused():
    assert task_row("mine:build_task").fields == {}
    assert "keypoints_xyv" in task_row(find_task("pose")).fields
    for wrong in ("poetry", 5):
        with pytest.raises(UserError, match=rf"Unknown task: expected one of detection, .*; got {wrong!r}"):
            task_row(wrong)
