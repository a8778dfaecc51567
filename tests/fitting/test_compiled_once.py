"""On JAX the steps are compiled once and donate their state; devices that share a batch exchange only sums."""

import json

import pytest

from tests.helpers.processes import run_python
from tests.helpers.step_cases import DEFORMABLE, TWO_STACKS


def run(*arguments):
    done = run_python(*arguments, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_everything_is_compiled_in_the_first_epoch_and_the_state_is_donated():
    """Several steps per execution, validation and average precision; `compiled_once.py` checks the state."""
    seen = json.loads(run("tests/helpers/compiled_once.py").splitlines()[-1])
    first = seen["traced 0"]
    for step in ("train_step", "test_step"):
        assert first.count(step) == 1
        assert seen["compiled 0"].count(f"jit({step})") == 1
    assert first.count("compiled") == 2  # the network's maps and their decoding
    for epoch in (1, 2):
        assert f"traced {epoch}" not in seen
        assert f"compiled {epoch}" not in seen


@pytest.mark.parametrize(
    ("case", "network"),
    [
        pytest.param("everything", DEFORMABLE, marks=pytest.mark.slow),
        pytest.param("detection_3d", TWO_STACKS, marks=pytest.mark.exhaustive),
        pytest.param("colors", DEFORMABLE, marks=pytest.mark.exhaustive),
    ],
)
def test_eight_devices_share_the_batch_and_exchange_only_sums(case, network):
    """See `sharded_step.py`; "everything": a pose in micro-batches, clipped and averaged. "colors": a detection."""
    run("tests/helpers/sharded_step.py", case, network)
