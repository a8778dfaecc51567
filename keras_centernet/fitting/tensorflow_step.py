"""One training step on TensorFlow: gradients of the objective, on one device or on many that share the batch."""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

from keras_centernet.errors import UserError
from keras_centernet.fitting.objective import DIVISORS, loss_counts
from keras_centernet.fitting.replicas import (
    LOSS_MEANS,
    average_over_replicas,
    batch_statistics,
    gradients_to_apply,
    with_axis,
)
from keras_centernet.geometry import STRIDE


def train_step(model, images, objects: dict) -> dict:
    """Renders the targets, sums the objective over micro-batches, updates the weights and returns the metrics.

    Images (B, H, W, 3) and objects (padded, or targets) are this replica's share of the batch.
    """
    map_hw = tuple(side // STRIDE for side in images.shape[1:3])
    targets = model.encode(objects, map_hw)
    counts = loss_counts(model.task, targets, (tf.shape(images)[0], *map_hw))
    divisors = LOSS_MEANS[model.loss_mean](counts)
    weights, optimizer = model.trainable_weights, model.optimizer

    def differentiate(micro_batch):
        images, targets = micro_batch
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y=targets | {DIVISORS: divisors}, y_pred=model.stacks(images, training=True))
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return gradients, (loss, model.losses_by_head)

    batch = model.augment_and_normalize(images), targets
    like = weights, (0.0, dict.fromkeys(counts, 0.0))
    gradients, losses = sum_over_micro_batches(differentiate, batch, model.accumulate, like)
    model.record(*losses)
    gradients = gradients_to_apply(optimizer, gradients)
    optimizer.apply_gradients(zip(gradients, weights, strict=True))
    average_over_replicas(batch_statistics(model.network))
    if model.average:
        model.average.update()
    return with_axis(model.get_metrics_result())


def sum_over_micro_batches(function: Callable, batch, count: int, like):
    """Returns the sum of `function(micro_batch)` over `count` equal micro-batches of a structure of tensors (B, ...).

    The function, which TensorFlow traces once, returns a structure of float tensors of the shapes of `like`.

    Raises:
        UserError: B is not a multiple of `count`.
    """
    if count == 1:
        return function(batch)
    size = keras.tree.flatten(batch)[0].shape[0]
    if size is not None and size % count:
        raise UserError(
            f"accumulate: expected a batch that splits into {count} equal micro-batches on each device, got {size} "
            "images. Change one of them."
        )
    parted = keras.tree.map_structure(lambda values: ops.reshape(values, (count, -1, *values.shape[1:])), batch)
    zeros = keras.tree.map_structure(ops.zeros_like, like)

    def add_micro_batch(i, total):
        micro_batch = keras.tree.map_structure(lambda values: values[i], parted)
        return i + 1, keras.tree.map_structure(ops.add, total, function(micro_batch))

    # One after the other: at the same time they would need the memory of all, and race for the batch statistics.
    return tf.while_loop(lambda i, total: i < count, add_micro_batch, (0, zeros), parallel_iterations=1)[1]
