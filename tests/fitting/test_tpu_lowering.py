"""Training steps and detection can be lowered for a TPU on a machine without one; see `tpu_lowering.py`."""

import json
import pathlib
import re

import pytest

from keras_centernet.tasks.table import TASKS
from tests.helpers.processes import run_python
from tests.helpers.step_cases import DEFORMABLE

NETWORKS = ("resnet18", "dla34", "hourglass104", "mobilenet_v2")
SMALL = "64x64"
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "scaling.md"


def lower(*arguments):
    """Returns the figures that the process printed."""
    done = run_python("tests/helpers/tpu_lowering.py", *arguments, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_stacks_and_a_deformable_convolution_lower():
    lower(DEFORMABLE, "detection", SMALL)


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", [task for task in TASKS if task != "detection"])
def test_the_other_tasks_lower(task):
    lower("resnet18", task, "128x256")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NETWORKS)
def test_the_published_networks_lower_and_cost_what_the_docs_say(name):
    figures = lower(name)
    # XLA does not count products with padding zeros, and adds the operations between convolutions. Detection does
    # not compute the heads of earlier stacks. Training repeats every convolution for each of its two gradients.
    assert 0.85 < figures["detecting GFLOP"] / figures["convolutions GFLOP"] < 1.05
    assert figures["training GFLOP"] / figures["convolutions GFLOP"] == pytest.approx(3, rel=0.05)
    columns = ("convolutions GFLOP", "detecting GFLOP", "training GFLOP", "detecting GB", "training GB")
    cells = [f"`{name}`", figures["size"], *(f"{figures[column]:.1f}" for column in columns)]
    assert re.search("^" + re.escape(f"| {' | '.join(cells)} |") + "$", PAGE.read_text(), re.MULTILINE), cells
