"""N replicas that share a global batch train like one device with that batch; see `many_devices.py`."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError
from keras_centernet.fitting.replicas import LOSS_MEANS
from tests.helpers import many_devices
from tests.helpers.step_cases import CASES, DECAY, DEFORMABLE, RATE, TWO_STACKS, assert_same_change

QUICK = ("detection", "published mean", "clipped in parts")
# {case with one image per part: the same case with the whole batch}
WHOLE = {"in parts": "detection", "clipped in parts": "clipped"}


@pytest.fixture(scope="module")
def on_devices(tmp_path_factory):
    """Returns a function: (number of logical devices, network, cases) -> {case: arrays that the replicas wrote}."""

    def run(devices, network, *cases):
        folder = tmp_path_factory.mktemp("devices")
        command = [sys.executable, many_devices.__file__, str(devices), str(folder), network, *cases]
        root = str(pathlib.Path(many_devices.__file__).parents[2])
        done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": root})
        assert done.returncode == 0, done.stderr[-2000:]
        return {path.stem: dict(np.load(path)) for path in folder.iterdir()}

    return run


@pytest.fixture(scope="module")
def on_two(on_devices):
    """The quick cases on two replicas."""
    return on_devices(2, TWO_STACKS, *QUICK)


def weights_of(step, model):
    return [step[f"weight{i}"] for i in range(len(model.network.variables))]


def start_of(case, network=TWO_STACKS):
    return [np.asarray(variable) for variable in many_devices.build(case, network).network.variables]


def check_against_one_device(step, case, network=TWO_STACKS):
    model, figures = many_devices.train(case, network)
    expected = [np.asarray(variable) for variable in model.network.variables]
    start = start_of(case, network)
    assert sum(np.abs(a - b).max() > 1e-6 for a, b in zip(expected, start, strict=True)) > 10  # weights changed
    assert_same_change(weights_of(step, model), expected, start)
    for name, value in figures.items():
        assert step[name] == pytest.approx(value, rel=1e-4), name
    for name, value in many_devices.evaluate(model, case).items():
        assert step[f"val_{name}"] == pytest.approx(value, rel=1e-3), name


@pytest.mark.slow
def test_two_devices_change_the_weights_as_one_does(on_two):
    """Batch normalisation is frozen. Otherwise it would use each replica's own statistics, as published."""
    check_against_one_device(on_two["detection"], "detection")


@pytest.mark.slow
def test_two_devices_with_two_parts_each_equal_one_device_with_the_whole_batch(on_two):
    check_against_one_device(on_two["clipped in parts"], "clipped")


@pytest.mark.slow
def test_the_published_mean_is_the_mean_of_the_replicas_own_means(on_two):
    model = many_devices.build("published mean")
    images, objects = many_devices.batch("published mean")
    images = tf.constant(images)
    gradients, losses = [], []
    for shard in (slice(0, 2), slice(2, 4)):
        with tf.GradientTape() as tape:
            stacks = model.stacks(model.augment_and_normalize(images[shard]), training=True)
            losses.append(model.compute_loss(None, {key: value[shard] for key, value in objects.items()}, stacks))
        gradients.append(tape.gradient(losses[-1], model.trainable_weights))
    step, start = on_two["published mean"], start_of("published mean")
    assert step["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    means = {id(v): (np.asarray(a) + b) / 2 for v, a, b in zip(model.trainable_weights, *gradients, strict=True)}
    expected = [before - RATE * means.get(id(v), 0.0) for v, before in zip(model.network.variables, start, strict=True)]
    assert_same_change(weights_of(step, model), expected, start)
    global_loss = many_devices.train("detection")[1]["loss"]
    assert abs(step["loss"] - global_loss) > 3e-4 * global_loss  # the two means differ here


@pytest.mark.exhaustive
def test_every_case_on_two_devices(on_devices):
    steps = on_devices(2, TWO_STACKS, *(name for name in CASES if name not in QUICK))
    for case in ("detection_3d", "pose", "clipped", "in parts"):
        check_against_one_device(steps[case], WHOLE.get(case, case))
    check_alike(steps["alike"])
    check_average(steps["averaged"])


@pytest.mark.exhaustive
def test_four_devices_one_of_them_without_an_object(on_devices):
    steps = on_devices(4, TWO_STACKS, "detection", "clipped", "averaged")
    for case in ("detection", "clipped"):
        check_against_one_device(steps[case], case)
    check_average(steps["averaged"])


@pytest.mark.exhaustive
def test_a_deformable_convolution_on_two_devices(on_devices):
    steps = on_devices(2, DEFORMABLE, "detection", "clipped in parts")
    for case, step in steps.items():
        check_against_one_device(step, WHOLE.get(case, case), DEFORMABLE)


def check_alike(step):
    """If all images are the same, a replica's batch statistics are those of the whole batch."""
    model, figures = many_devices.train("alike")
    trainable = {id(variable) for variable in model.trainable_variables}
    columns = zip(model.network.variables, weights_of(step, model), start_of("alike"), strict=True)
    for variable, received, before in columns:
        if id(variable) in trainable:
            assert_same_change([received], [np.asarray(variable)], [before])
        else:  # fewer pixels have a slightly larger unbiased variance
            np.testing.assert_allclose(received, variable, rtol=5e-3, atol=1e-5)
    assert step["loss"] == pytest.approx(figures["loss"], rel=1e-4)


def check_average(step):
    """`fit` ends with the average of start and step, including batch statistics (the replicas' means)."""
    model, _ = many_devices.train("averaged")
    start = start_of("averaged")
    moved = [np.abs(a - b).max() for a, b in zip(weights_of(step, model), start, strict=True)]
    assert np.mean(np.array(moved) > 0) > 0.9
    for received, variable in zip(weights_of(step, model), model.network.variables, strict=True):
        if "moving_mean" in variable.path:  # the replicas' means are exact, their normalised activations are not
            np.testing.assert_allclose(received, variable, rtol=0.05, atol=5e-3)
    assert DECAY > 2 / 11  # the first decay of the warm-up


@pytest.mark.slow
def test_replicas_draw_what_one_device_draws_and_a_nan_stops_them(on_devices):
    drawn = on_devices(2, TWO_STACKS)["drawn"]["drawn"]
    alone = many_devices.draw(many_devices.build("colors"))
    np.testing.assert_allclose(drawn, alone, atol=1e-6)
    assert np.abs(alone - many_devices.build("colors").normalize(many_devices.batch("colors")[0])).max() > 0.1


def test_an_unknown_mean(tiny_model):
    with pytest.raises(UserError, match=r"Unknown loss_mean: expected one of global_batch, replica; got 'none'\."):
        tiny_model().compile(loss_mean="none")
    assert list(LOSS_MEANS) == ["global_batch", "replica"]


def test_the_mean_survives_the_file(tiny_model, tmp_path):
    model = tiny_model()
    model.compile("sgd", loss_mean="replica")
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").get_compile_config()["loss_mean"] == "replica"
