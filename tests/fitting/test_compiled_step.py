"""The whole training step of every network compiles under XLA with static shapes, as a TPU needs."""

import pathlib
import subprocess
import sys

import pytest

from keras_centernet import BACKBONES
from tests.helpers import one_compiled_step
from tests.helpers.step_cases import DEFORMABLE, TWO_STACKS


def run(*arguments):
    root = pathlib.Path(one_compiled_step.__file__).parents[2]
    command = [sys.executable, one_compiled_step.__file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.slow
def test_a_small_network_of_two_stacks():
    run(TWO_STACKS)


@pytest.mark.exhaustive
def test_a_deformable_convolution():
    run(DEFORMABLE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", ["detection_3d", "pose"])
def test_the_other_tasks(task):
    run(TWO_STACKS, task)


@pytest.mark.slow
def test_a_batch_in_parts():
    run(DEFORMABLE, "detection", "2")


@pytest.mark.exhaustive  # XLA takes minutes for large networks on a CPU; the small networks above have the same parts
@pytest.mark.parametrize("name", BACKBONES)
def test_networks(name):
    run(name)
