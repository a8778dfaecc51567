"""Cross-replica reductions, so that N devices train like one, as far as `tf.distribute` and Keras do not make them.

With one replica, outside of a step and on other backends nothing here communicates.
Batch normalisation itself uses the statistics of each replica's share, as published.
"""

import itertools
import math
from collections.abc import Callable

import keras
from keras import ops

from keras_centernet.method.losses import divisor
from keras_centernet.method.specs import Tensor


def divide_by_global_batch(counts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns {head: divisor} of losses that are means over what all replicas counted together.

    Total / divisor is what this replica contributes: gradients of N replicas add up to those of a single device with
    the whole batch. (The 1e-4 that some counts carry as published is added once per replica.)
    """
    return {name: divisor(count) for name, count in sum_over_replicas(counts).items()}


def divide_by_replica(counts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns {head: divisor} of losses that each replica averages over its own objects, as published.

    An object weighs more on a replica with fewer objects.

    Source: `ModelWithLoss` under `DataParallel` of the published code, whose losses are averaged over GPUs.
    """
    return {name: divisor(count) * replica_count() for name, count in counts.items()}


LOSS_MEANS: dict[str, Callable] = {"global_batch": divide_by_global_batch, "replica": divide_by_replica}


def replica_count() -> int:
    """Returns how many replicas run the current step together."""
    context = _context()
    return context.num_replicas_in_sync if context else 1


def first_image(batch_size: Tensor | int) -> Tensor | int:
    """Returns the number, in the global batch, of the first image of this replica's share of `batch_size` images."""
    context = _context()
    return ops.cast(context.replica_id_in_sync_group, "int32") * batch_size if context else 0


def sum_over_replicas(values: dict | list) -> dict | list:
    """Returns the sums of a structure of float32 tensors over all replicas, by one message, without a gradient."""
    context = _context()
    if context is None:
        return values
    flat = keras.tree.flatten(values)
    packed = ops.concatenate([ops.reshape(ops.stop_gradient(value), (-1,)) for value in flat])
    starts = list(itertools.accumulate(math.prod(value.shape) for value in flat[:-1]))
    parts = zip(ops.split(context.all_reduce("SUM", packed), starts), flat, strict=True)
    return keras.tree.pack_sequence_as(values, [ops.reshape(total, value.shape) for total, value in parts])


def average_over_replicas(variables: list) -> None:
    """Sets variables that each replica has moved by itself, such as batch statistics, to their mean over replicas."""
    replicas = replica_count()
    if replicas > 1 and variables:
        sums = sum_over_replicas([ops.cast(variable, "float32") for variable in variables])
        for variable, summed in zip(variables, sums, strict=True):
            variable.assign(summed / replicas)


def batch_statistics(network: keras.Model) -> list:
    """Returns the moving means and variances of the batch normalisations."""
    return [v for v in network.non_trainable_variables if v.path.rpartition("/")[2].startswith("moving_")]


def gradients_to_apply(optimizer: keras.optimizers.Optimizer, gradients: list) -> list:
    """Returns gradients whose sum over replicas the optimizer clips as a single device would.

    Keras' optimizers clip before they add up the replicas. If the optimizer clips, the sum is therefore made here, and
    all replicas but the first return zeros.
    """
    context = _context()
    if context is None or not any((optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue)):
        return gradients
    present = [gradient for gradient in gradients if gradient is not None]
    is_first = ops.equal(context.replica_id_in_sync_group, 0)
    summed = iter(context.all_reduce("SUM", present))
    return [
        None if gradient is None else ops.where(is_first, next(summed), ops.zeros_like(gradient))
        for gradient in gradients
    ]


def with_axis(metrics: dict) -> dict:
    """Returns a step's metrics as Keras wants them: between workers it averages along an axis, which scalars lack.

    Every replica has the same metrics, so that the average changes nothing.
    """
    context = _context()
    if context is None:
        return metrics
    import tensorflow as tf

    between_workers = isinstance(context.strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return {name: ops.reshape(value, (1,)) for name, value in metrics.items()} if between_workers else metrics


class UnsavedMean(keras.metrics.Mean):
    """A running mean that is not saved: reading it needs all workers, and only one saves."""

    def update_state(self, values, sample_weight=None):
        """Adds a scalar, which counts once; sample weights are not used."""
        # The weight depends on the value, so that counting waits for it. Otherwise TensorFlow counts one more when data
        # of unknown length turn out to be at their end, in a step in which nothing else happens.
        once = ops.where(ops.isnan(values), 1.0, 1.0)
        return super().update_state(values, sample_weight=once)

    def save_own_variables(self, store):
        """Stores nothing."""

    def load_own_variables(self, store):
        """Leaves the mean as it is."""


def _context():
    """Returns tf.distribute's context of the replica that is being traced, or None if there is only one."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()  # None outside of a step
    return context if context and context.num_replicas_in_sync > 1 else None
