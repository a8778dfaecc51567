"""What a profile measures, and that profiling does not change the training."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.runs.devices.devices import build_devices
from keras_centernet.runs.profiling import TIMED_STEPS, WARM_UP_STEPS, Profile
from keras_centernet.runs.settings import TrainSettings
from tests.helpers import step_cases

STEPS = WARM_UP_STEPS + 1 + TIMED_STEPS + 2
WAIT = 0.2  # seconds that each batch takes in the slow input


def dataset(steps, seconds=0.0):
    """The same batch `steps` times, each after a delay."""

    def wait(step):
        time.sleep(seconds)
        return step

    batch = step_cases.batch("detection")
    steps = tf.data.Dataset.range(steps).map(lambda step: tf.numpy_function(wait, [step], tf.int64))
    return steps.map(lambda _: tf.nest.map_structure(tf.constant, batch))


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    """A training whose input is slow, and its profile."""
    folder = tmp_path_factory.mktemp("tensorboard")
    model, profile = step_cases.build("detection"), Profile(folder, build_devices(TrainSettings("shapes")))
    seen = []
    model.fit(
        dataset(STEPS, WAIT),
        verbose=0,
        callbacks=[profile, keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: seen.append(step))],
    )
    return model, profile, folder, seen


@pytest.mark.slow
def test_the_waiting_time_is_that_of_the_input(profiled):
    _, profile, _, seen = profiled
    assert profile.steps == TIMED_STEPS
    assert profile.waiting / profile.steps == pytest.approx(WAIT, rel=0.5)
    assert len(seen) == STEPS
    assert f"{profile.waiting / (profile.waiting + profile.working):.0%} of it waiting for images" in profile.summary()


def test_a_trace_lies_where_tensorboard_looks(profiled):
    (trace,) = profiled[2].glob("plugins/profile/*/*.xplane.pb")
    assert trace.stat().st_size > 1000


@pytest.mark.slow
def test_the_weights_are_those_of_a_training_without_a_profile(profiled):
    usual = step_cases.build("detection")
    usual.fit(dataset(STEPS), verbose=0)
    for variable, expected in zip(profiled[0].network.variables, usual.network.variables, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_training_too_short_to_be_timed_is_reported(tmp_path, capsys):
    model = step_cases.build("detection")
    model.fit(dataset(2), verbose=0, callbacks=[Profile(tmp_path, build_devices(TrainSettings("shapes")))])
    assert "expected at least 5 steps, got 2; nothing timed" in capsys.readouterr().out
