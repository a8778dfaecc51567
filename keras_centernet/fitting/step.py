"""What the training steps of all backends share: from a batch to the loss, and from gradients to new weights.

A step is `prepare`, then for each micro-batch `loss_of` and its gradients, which each backend takes its own way, then
`finish`.
"""

from collections.abc import Callable

import keras
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
from keras_centernet.method.specs import Tensor


def unpack(data: tuple) -> tuple:
    """Returns (images, objects) of what Keras passes to a step; objects are padded objects or targets."""
    images, objects, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    refuse_weights(sample_weight)
    return images, objects


def refuse_weights(sample_weight: Tensor | None) -> None:
    """Raises a UserError if there are sample weights."""
    if sample_weight is not None:
        raise UserError(
            "sample_weight: expected None, as the masks of the objects say what counts; got weights. Remove them, and "
            "weight heads by CenterNet(loss_weights=...)."
        )


def prepare(model: keras.Model, data: tuple) -> tuple[tuple, dict]:
    """Returns what a step trains on: (augmented inputs, targets) of the whole batch, and {head: divisor} of its losses.

    The whole batch is that of this replica.
    """
    images, objects = unpack(data)
    map_hw = tuple(side // STRIDE for side in images.shape[1:3])
    targets = model.encode(objects, map_hw)
    counts = loss_counts(model.task, targets, (ops.shape(images)[0], *map_hw))
    return (model.augment_and_normalize(images), targets), LOSS_MEANS[model.loss_mean](counts)


def split_batch(batch: tuple, count: int) -> tuple:
    """Reshapes each tensor (B, ...) of a structure to (B / count, count, ...): micro-batch i is at [:, i].

    A micro-batch is every `count`-th image, so that devices that share a batch share its micro-batches, too.

    Raises:
        UserError: B is not a multiple of `count`.
    """
    size = keras.tree.flatten(batch)[0].shape[0]
    if size is not None and size % count:
        raise UserError(
            f"accumulate: expected a batch that splits into {count} equal micro-batches on each device, got {size} "
            "images. Change one of them."
        )
    return keras.tree.map_structure(lambda values: ops.reshape(values, (-1, count, *values.shape[1:])), batch)


def loss_of(model: keras.Model, micro_batch: tuple, divisors: dict) -> tuple[Tensor, tuple]:
    """Returns the loss to differentiate, scaled as the optimizer wants it, and (loss, {head: its term})."""
    inputs, targets = micro_batch
    loss = model.compute_loss(y=targets | {DIVISORS: divisors}, y_pred=model.stacks(inputs, training=True))
    return model.optimizer.scale_loss(loss), (loss, model.losses_by_head)


def no_loss(divisors: dict) -> tuple:
    """Returns zeros to which (loss, {head: its term}) of micro-batches are added."""
    return 0.0, dict.fromkeys(divisors, 0.0)


def apply(model: keras.Model, gradients: list) -> None:
    """Moves the weights and the optimizer's state."""
    model.optimizer.apply(gradients, model.trainable_weights)


def finish(model: keras.Model, gradients: list, losses: tuple, apply: Callable = apply) -> dict:
    """Applies the gradients of the batch, moves the running average, and returns the metrics."""
    model.record(*losses)
    apply(model, gradients_to_apply(model.optimizer, gradients))
    average_over_replicas(batch_statistics(model.network))
    if model.average:
        model.average.update()
    return with_axis(model.get_metrics_result())


def measure(model: keras.Model, data: tuple) -> dict:
    """Returns the metrics of a batch without augmentation and without an update."""
    images, objects = unpack(data)
    loss = model.compute_loss(images, objects, model.stacks(model.normalize(images)), training=False)
    model.record(loss, model.losses_by_head)
    return with_axis(model.get_metrics_result())
