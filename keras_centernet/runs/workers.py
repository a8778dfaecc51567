"""Several processes that train one model: which they are, what each reads, and where they wait for each other."""

import json
from collections.abc import Callable

import keras
import tensorflow as tf

from keras_centernet.errors import UserError


def check_cluster(text: str | None) -> None:
    """Raises a UserError unless TF_CONFIG describes a cluster and the task of this process in it."""
    example = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
    hint = f"Start every worker with TF_CONFIG such as {example} and its own index."
    if not text:
        raise UserError(f"--multi-worker: expected the environment variable TF_CONFIG, it is not set. {hint}")
    try:
        config = json.loads(text)
        workers, task = config["cluster"], config["task"]
        known = {kind: len(workers[kind]) for kind in ("chief", "worker") if kind in workers}
        is_known = 0 <= int(task["index"]) < known.get(task["type"], 0)
    except (ValueError, KeyError, TypeError):
        expected = "expected TF_CONFIG to list a cluster and a task"
        raise UserError(f"--multi-worker: {expected}, got {text}. {hint}") from None
    if not is_known:
        raise UserError(f"--multi-worker: expected a task of the cluster, {known}, in TF_CONFIG, got {task}. {hint}")


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether other processes train with this one."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def count_workers(strategy: tf.distribute.Strategy) -> int:
    """Returns how many processes train together."""
    if not is_multi_worker(strategy):
        return 1
    return len(tf.nest.flatten(strategy.cluster_resolver.cluster_spec().as_dict()))


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process evaluates and writes: the chief, the first worker, or the only process."""
    if not is_multi_worker(strategy):
        return True
    resolver = strategy.cluster_resolver
    return resolver.task_type == "chief" or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Waits until all workers have called this: one that ends early would count as lost."""
    if is_multi_worker(strategy):
        sum_of_workers(strategy, 1.0)


def sum_of_workers(strategy: tf.distribute.Strategy, value: float) -> float:
    """Returns the sum of a number over all replicas of all workers; every worker must call this."""
    add = tf.function(lambda one: strategy.reduce("SUM", strategy.run(tf.identity, args=(one,)), axis=None))
    return float(add(tf.constant(value)))


class StopTogether(keras.callbacks.Callback):
    """Stops the training of all workers after an epoch in which a callback has stopped that of one of them."""

    def __init__(self, strategy: tf.distribute.Strategy):
        super().__init__()
        self.strategy = strategy

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = sum_of_workers(self.strategy, float(self.model.stop_training)) > 0


def check_together(strategy: tf.distribute.Strategy, step: int) -> None:
    """Raises a UserError unless all workers begin at the same step; every worker must call this."""
    if not is_multi_worker(strategy):
        return
    if sum_of_workers(strategy, float(step)) != step * strategy.num_replicas_in_sync:
        found = f"got {step} here and another elsewhere"
        advice = "Give all of them the same --output, on a disk or bucket that they share."
        raise UserError(f"--multi-worker: expected all workers to begin at the same step, {found}. {advice}")


def share(
    strategy: tf.distribute.Strategy,
    dataset: tf.data.Dataset,
    load: Callable,
    batch_size: int,
    epochs: tuple[int, ...] | None = None,
):
    """Returns what `fit` takes for a data set: each host reads its own shard, and each replica gets full batches.

    A last partial batch is left out of the validation loss (metrics are of all images): on a TPU shapes are fixed,
    and elsewhere a replica could be left without an image, which TensorFlow's convolutions refuse.

    Args:
        strategy: of the run.
        dataset: global batches of `batch_size` images.
        load: function (batch_size, shard) -> the same data in other batches, of one host; see `load_dataset`.
        epochs: arguments of the `for_epochs` of a training set; None: the data set as it is.
    """
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    if strategy.num_replicas_in_sync == 1 and not is_multi_worker(strategy) and not is_tpu:
        return dataset.for_epochs(*epochs) if epochs else dataset

    def load_shard(context):
        count = context.num_input_pipelines
        size = batch_size // count
        shard = load(batch_size=size, shard=(count, context.input_pipeline_id))
        images = dataset.source.size // count
        batches = shard.for_epochs(*epochs) if epochs else _full_batches(shard, size, images)
        per_replica = context.get_per_replica_batch_size(batch_size)
        return batches if per_replica == size else batches.rebatch(per_replica, drop_remainder=True)

    return strategy.distribute_datasets_from_function(load_shard)


def _full_batches(dataset: tf.data.Dataset, batch_size: int, images: int) -> tf.data.Dataset:
    dataset = dataset.rebatch(batch_size, drop_remainder=True)
    return dataset.apply(tf.data.experimental.assert_cardinality(images // batch_size))
