"""One model, three backends: a step of training is the same on each of them, on one device and on many."""

import numpy as np
import pytest

from tests.helpers.processes import run_python
from tests.helpers.step_cases import DEFORMABLE, TWO_STACKS, assert_same_change, build, one_step, weights_of

QUICK = ("everything",)
QUICKLY_COMPILED = "--xla_backend_optimization_level=0"
SLOW = ("detection", "detection_3d", "pose", "clipped", "in parts", "averaged", "colors")
SHARED = ("detection_3d", "everything", "colors")


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Returns a function: backend, network, cases -> {case: arrays that a process on that backend wrote}."""

    def run(backend, network, *cases, images=4, devices=0):
        folder = tmp_path_factory.mktemp(backend)
        arguments = [str(folder), network, str(images), str(devices), *cases]
        done = run_python("tests/helpers/one_backend.py", *arguments, KERAS_BACKEND=backend, XLA_FLAGS=QUICKLY_COMPILED)
        assert done.returncode == 0, done.stderr[-3000:]
        return {path.stem: dict(np.load(path)) for path in folder.iterdir()}

    return run


def check_same_step(step, expected, case, network=TWO_STACKS):
    """Losses to a relative 1e-5 (validation 1e-4), weights to rounding, boxes to 1e-3 px, scores to 1e-5."""
    for name, value in expected.items():
        if name.endswith("loss"):
            assert step[name] == pytest.approx(value, rel=1e-5 if not name.startswith("val_") else 1e-4), name
    weights = [[of[name] for name in expected if name.startswith("weight")] for of in (step, expected)]
    assert_same_change(*weights, weights_of(build(case, network)))
    np.testing.assert_allclose(step["scores"], expected["scores"], atol=1e-5)
    np.testing.assert_allclose(step["boxes_xyxy"], expected["boxes_xyxy"], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_step_is_the_same_on_every_backend(steps, backend):
    for case, step in steps(backend, TWO_STACKS, *QUICK).items():
        check_same_step(step, one_step(case), case)


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_case_is_the_same_on_every_backend(steps, backend):
    for case, step in steps(backend, TWO_STACKS, *SLOW).items():
        check_same_step(step, one_step(case), case)
    for case, step in steps(backend, DEFORMABLE, "everything").items():
        check_same_step(step, one_step(case, DEFORMABLE), case, DEFORMABLE)


@pytest.mark.parametrize(
    ("network", "cases", "counts"),
    [
        pytest.param(TWO_STACKS, QUICK, (4,), marks=pytest.mark.slow),
        pytest.param(TWO_STACKS, SHARED, (2, 4, 8), marks=pytest.mark.exhaustive),
        pytest.param(DEFORMABLE, SHARED, (4,), marks=pytest.mark.exhaustive),
    ],
)
def test_devices_that_share_a_batch_move_the_weights_as_one_does(steps, network, cases, counts):
    """Some cases have devices without objects, micro-batches, batch statistics or clipped gradients."""
    alone = steps("jax", network, *cases, images=8)
    for devices in counts:
        together = steps("jax", network, *cases, images=8, devices=devices)
        for case in cases:
            check_same_step(together[case], alone[case], case, network)
