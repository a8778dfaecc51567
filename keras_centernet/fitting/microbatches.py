"""Gradient accumulation: a batch is taken a micro-batch at a time, for the memory of one."""

from collections.abc import Callable

import keras
from keras import ops

from keras_centernet.errors import UserError


def sum_over_micro_batches(function: Callable, batch, count: int, like):
    """Returns the sum of `function(micro_batch)` over equal micro-batches.

    Args:
        function: of a structure like `batch`, returns a structure of the shapes of `like`; TensorFlow traces it once.
        batch: structure of tensors (B, ...).
        count: number of micro-batches; B is a multiple of it.
        like: structure of float tensors or numbers.

    Raises:
        UserError: B is not such a multiple.
    """
    if count == 1:
        return function(batch)
    size = keras.tree.flatten(batch)[0].shape[0]
    if size is not None and size % count:
        raise UserError(
            f"accumulate: expected a batch that splits into {count} equal micro-batches on each device, got {size} "
            "images. Change one of them."
        )
    import tensorflow as tf

    parted = keras.tree.map_structure(lambda values: ops.reshape(values, (count, -1, *values.shape[1:])), batch)
    zeros = keras.tree.map_structure(ops.zeros_like, like)

    def add_micro_batch(i, total):
        micro_batch = keras.tree.map_structure(lambda values: values[i], parted)
        return i + 1, keras.tree.map_structure(ops.add, total, function(micro_batch))

    # One after the other: at the same time they would need the memory of all, and race for the batch statistics.
    return tf.while_loop(lambda i, total: i < count, add_micro_batch, (0, zeros), parallel_iterations=1)[1]
