"""One training step on TensorFlow: gradients of the objective, on one device or on many that share the batch."""

import tensorflow as tf

from keras_centernet.fitting.microbatches import sum_over_micro_batches
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

    Args:
        model: `CenterNet`.
        images: (B, H, W, 3), this replica's share of the batch.
        objects: padded objects, or targets.
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
