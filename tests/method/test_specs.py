"""The specifications of heads and tasks."""

import dataclasses

import pytest

from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.tasks import TASKS


def test_read_at_is_one_of_three_names():
    with pytest.raises(ValueError, match=r"HeadSpec depth: read_at must be one of \('everywhere', .*got 'somewhere'"):
        HeadSpec("depth", 1, "somewhere", None, None)


def test_a_head_names_the_heatmap_whose_peaks_it_is_read_at():
    heatmaps = [HeadSpec(name, 1, "everywhere", None, None) for name in ("center_heatmap", "corners")]
    offset = HeadSpec("corner_offset", 2, "keypoints", None, None, peaks_of="corner")
    with pytest.raises(ValueError, match=r"corner_offset: peaks_of must be one of \['corners'\], got 'corner'"):
        Task("corners", ("a",), (*heatmaps, offset), dict)


def test_detection_has_the_published_heads_and_weights():
    task = TASKS["detection"].build(("a", "b"))
    assert [(head.name, head.channels, head.read_at, head.weight) for head in task.heads] == [
        ("center_heatmap", 2, "everywhere", 1.0),
        ("size", 2, "centers", 0.1),
        ("offset", 2, "centers", 1.0),
    ]
    assert task.center_heatmap.bias == -2.19


@pytest.mark.parametrize("name", TASKS)
def test_tasks_can_be_arguments_of_compiled_functions(name):
    """TensorFlow and JAX look up compiled functions by such arguments, so tasks must be hashable."""
    task = TASKS[name].build(("cat", "dog"))
    assert {task: "found"}[task] == "found"
    assert dataclasses.replace(task, options={"nms": 0.6}) != task
