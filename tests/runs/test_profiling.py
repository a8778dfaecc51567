"""What a profiled training finds out, and that it is the same training."""

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
WAIT = 0.2  # seconds that a batch takes where the input is too slow


def dataset(steps, seconds=0.0):
    """The same batch again and again, each after a while."""

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
def test_waiting_is_what_the_input_takes(profiled):
    _, profile, _, seen = profiled
    assert profile.steps == TIMED_STEPS
    assert profile.waiting / profile.steps == pytest.approx(WAIT, rel=0.5)
    assert len(seen) == STEPS
    assert f"{profile.waiting / (profile.waiting + profile.working):.0%} of it waiting for images" in profile.summary()


def test_a_trace_lies_where_tensorboard_looks(profiled):
    (trace,) = profiled[2].glob("plugins/profile/*/*.xplane.pb")
    assert trace.stat().st_size > 1000


@pytest.mark.slow
def test_the_weights_are_those_of_a_training_without_it(profiled):
    usual = step_cases.build("detection")
    usual.fit(dataset(STEPS), verbose=0)
    for variable, expected in zip(profiled[0].network.variables, usual.network.variables, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_too_short_a_training_says_so(tmp_path, capsys):
    model = step_cases.build("detection")
    model.fit(dataset(2), verbose=0, callbacks=[Profile(tmp_path, build_devices(TrainSettings("shapes")))])
    assert "expected at least 5 steps, got 2; nothing timed" in capsys.readouterr().out
