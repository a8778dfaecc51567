"""Losses by head, and micro-batches, which change the weights as the whole batch does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError
from keras_centernet.fitting.objective import head_losses, loss_counts
from keras_centernet.fitting.tensorflow_step import sum_over_micro_batches
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS
from tests.helpers import step_cases

TASK_CLASSES = {"detection": ("a", "b"), "detection_3d": ("a", "b", "c"), "pose": ("a", "b")}


def test_the_sum_over_micro_batches_traces_the_function_once():
    batch = np.arange(12, dtype="float32").reshape(6, 2), {"more": np.ones(6, "float32")}
    seen = []

    def function(part):
        seen.append(part[0].shape)
        return [tf.reduce_sum(part[0] ** 2), tf.reduce_sum(part[1]["more"])]

    zeros = [tf.zeros(()), tf.zeros(())]
    summed = tf.function(lambda: sum_over_micro_batches(function, batch, 3, zeros))()
    assert [float(value) for value in summed] == [np.sum(batch[0] ** 2), 6]
    assert seen == [(2, 2)]  # the function was traced once


@pytest.mark.parametrize("task", TASK_CLASSES)
def test_counts_do_not_depend_on_the_prediction(task):
    built = TASKS[task].build(TASK_CLASSES[task])
    targets = encode_targets(built, step_cases.batch("detection")[1], (8, 8))
    random = np.random.default_rng(0)
    maps = {head.name: random.normal(size=(4, 8, 8, head.channels)).astype("float32") for head in built.heads}
    counts, losses = loss_counts(built, targets, (4, 8, 8)), head_losses(built, [maps], targets)
    assert list(counts) == list(losses) == [head.name for head in built.heads]
    for name, (_, expected) in losses.items():
        np.testing.assert_array_equal(counts[name], expected)


def step_of(parts, **options):
    model = step_cases.build("detection")
    model.compile(keras.optimizers.SGD(step_cases.RATE), accumulate=parts, average_decay=0.9, **options)
    history = model.fit(tf.data.Dataset.from_tensors(step_cases.batch("detection")), verbose=0).history
    return [np.asarray(variable) for variable in model.network.variables], history


@pytest.mark.parametrize("colors", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_four_micro_batches_change_the_weights_as_the_whole_batch_does(colors):
    """Each part is one image, and one has no object. Means over each part's own objects would differ."""
    start = [np.asarray(variable) for variable in step_cases.build("detection").network.variables]
    whole, figures = step_of(1, color_augmentation=colors)
    parts, figures_of_parts = step_of(4, color_augmentation=colors)
    assert sum(np.abs(a - b).max() > 1e-6 for a, b in zip(whole, start, strict=True)) > 10
    for one, other, before in zip(parts, whole, start, strict=True):
        np.testing.assert_allclose(one - before, other - before, rtol=1e-4, atol=1e-4 * np.abs(other - before).max())
    assert figures_of_parts.keys() == figures.keys()
    for name, values in figures.items():
        assert figures_of_parts[name] == pytest.approx(values, rel=1e-5)


@pytest.mark.slow
def test_batch_statistics_are_updated_by_every_micro_batch():
    images, objects = step_cases.batch("averaged")
    model, oracle = step_cases.build("averaged"), step_cases.build("averaged")
    model.compile(keras.optimizers.SGD(0.0), accumulate=2, color_augmentation=False)
    model.fit(tf.data.Dataset.from_tensors((images, objects)), verbose=0)
    for part in (images[::2], images[1::2]):
        oracle(part, training=True)
    for variable, expected in zip(model.network.variables, oracle.network.variables, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-6, err_msg=variable.path)


def test_invalid_numbers_of_micro_batches():
    with pytest.raises(
        UserError, match=r"accumulate: expected a batch that splits into 3 equal micro-batches .*, got 4 images"
    ):
        step_of(3)
    with pytest.raises(UserError, match="accumulate: expected a whole number of at least 1, got 0"):
        step_of(0)


def test_the_number_of_micro_batches_survives_the_file(tiny_model, tmp_path):
    model = tiny_model()
    model.compile("sgd", accumulate=3)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").get_compile_config()["accumulate"] == 3
