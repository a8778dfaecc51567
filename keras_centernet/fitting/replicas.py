"""Cross-replica reductions, so that N devices train like one.

The engine is `tf.distribute`: it runs the step once per replica, each on its share of the global batch,
and Keras' optimizers add the gradients of the replicas up. What is left to do stands here: means over
objects are divided by the count of all replicas, metrics and batch statistics are those of the whole
batch, gradients are clipped after they are added, and no two replicas draw the same random numbers.

With one replica, outside of a step and on other backends everything here returns what it was given.
Batch normalisation itself uses the statistics of each replica's share, as published.
"""

import math
from collections.abc import Callable

import keras
from keras import ops

from keras_centernet.method.losses import divisor
from keras_centernet.method.specs import Tensor


def divide_by_global_batch(counts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the divisors of losses that are means over what all replicas counted together.

    Gradients of N replicas are then those of a single device with the whole batch. (The 1e-4 that some
    counts carry as published is added once per replica.)

    Args:
        counts: {head: count on this replica}.

    Returns:
        {head: divisor}: total / divisor is what this replica contributes; the contributions of all add up to the loss.
    """
    return {name: divisor(count) for name, count in sum_over_replicas(counts).items()}


def divide_by_replica(counts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the divisors of losses that each replica averages over its own objects, as published.

    Argument and result as in `divide_by_global_batch`. An object weighs more where fewer are with it.

    Source: `ModelWithLoss` under `DataParallel` of the published code, whose losses are averaged over GPUs.
    """
    return {name: divisor(count) * replica_count() for name, count in counts.items()}


LOSS_MEANS: dict[str, Callable] = {"global_batch": divide_by_global_batch, "replica": divide_by_replica}


def replica_count() -> int:
    """Returns how many replicas run the present step together."""
    context = _context()
    return context.num_replicas_in_sync if context else 1


def sum_over_replicas(values):
    """Returns the sums of a structure of float32 tensors over all replicas, by one message.

    Gradients do not flow back.
    """
    context = _context()
    if context is None:
        return values
    flat = keras.tree.flatten(values)
    sizes = [math.prod(value.shape) for value in flat]
    packed = ops.concatenate([ops.reshape(ops.stop_gradient(value), (-1,)) for value in flat])
    starts = [sum(sizes[:i]) for i in range(1, len(sizes))]
    summed = ops.split(context.all_reduce("SUM", packed), starts)
    return keras.tree.pack_sequence_as(
        values, [ops.reshape(total, value.shape) for total, value in zip(summed, flat, strict=True)]
    )


def average_over_replicas(variables: list) -> None:
    """Gives variables that each replica has moved for itself, such as batch statistics, their mean everywhere."""
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

    Keras' optimizers clip before they add up the replicas. Where one clips, the sum is therefore made
    here, and all but the first replica hand in zeros.
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
    if context is None or not _is_multi_worker(context.strategy):
        return metrics
    return {name: ops.reshape(value, (1,)) for name, value in metrics.items()}


class UnsavedMean(keras.metrics.Mean):
    """A running mean that is not saved: reading it needs all workers, and only one saves."""

    def save_own_variables(self, store):
        """Stores nothing."""

    def load_own_variables(self, store):
        """Leaves the mean as it is."""


class ReplicaSeeds(keras.random.SeedGenerator):
    """A `keras.random.SeedGenerator` whose replicas draw different numbers; the first those of a single device."""

    def next(self, ordered=True):
        """Returns the next seed of this replica."""
        context, seed = _context(), super().next(ordered)
        if context is None:
            return seed
        replica = ops.cast(context.replica_id_in_sync_group, seed.dtype)
        return seed + ops.stack([replica, ops.zeros_like(replica)])


def _context():
    """Returns what tf.distribute knows of the replica that is being traced, or None where there is one only."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()  # None outside of a step
    return context if context and context.num_replicas_in_sync > 1 else None


def _is_multi_worker(strategy) -> bool:
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
