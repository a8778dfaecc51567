"""The steps on TensorFlow: on one device, or on each of many replicas that share the batch."""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

from keras_centernet.fitting.step import finish, loss_of, measure, no_loss, prepare, split_batch


def train_step(model: keras.Model, data: tuple) -> dict:
    """Trains on a batch and returns the metrics."""
    weights = model.trainable_weights
    batch, divisors = prepare(model, data)

    def differentiate(micro_batch):
        with tf.GradientTape() as tape:
            scaled, losses = loss_of(model, micro_batch, divisors)
        return tape.gradient(scaled, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO), losses

    gradients, losses = sum_over_micro_batches(differentiate, batch, model.accumulate, (weights, no_loss(divisors)))
    return finish(model, gradients, losses)


def test_step(model: keras.Model, data: tuple) -> dict:
    """Measures the losses of a batch and returns the metrics."""
    return measure(model, data)


def sum_over_micro_batches(function: Callable, batch: tuple, count: int, like: tuple | list) -> tuple | list:
    """Returns the sum of `function(micro_batch)` over `count` equal micro-batches of a structure of tensors (B, ...).

    The function, which TensorFlow traces once, returns a structure of float tensors of the shapes of `like`.

    Raises:
        UserError: B is not a multiple of `count`.
    """
    if count == 1:
        return function(batch)
    parted = split_batch(batch, count)
    zeros = keras.tree.map_structure(ops.zeros_like, like)

    def add_micro_batch(i, total):
        micro_batch = keras.tree.map_structure(lambda values: values[:, i], parted)
        return i + 1, keras.tree.map_structure(ops.add, total, function(micro_batch))

    # One after the other: in parallel they would need the memory of all, and race for the batch statistics.
    return tf.while_loop(lambda i, total: i < count, add_micro_batch, (0, zeros), parallel_iterations=1)[1]
