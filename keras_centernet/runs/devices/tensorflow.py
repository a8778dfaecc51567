"""TensorFlow: one device, several GPUs of this machine, or the workers of TF_CONFIG, by `tf.distribute`."""

import json
import os
import re

import tensorflow as tf

from keras_centernet.errors import UserError
from keras_centernet.limits import Limits
from keras_centernet.runs.devices.devices import Devices, load_shard
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.texts import shorten

HOST = re.compile(r"[^\s/]+:[0-9]{1,5}")


class TensorFlowDevices(Devices):
    """The replicas of a `tf.distribute` strategy; None: TensorFlow's default, the first GPU or the CPU."""

    def __init__(self, strategy: tf.distribute.Strategy | None = None):
        self.strategy = strategy or tf.distribute.get_strategy()
        super().__init__(_names(self.strategy), self.strategy.num_replicas_in_sync, *_processes(self.strategy))

    def make_deterministic(self):
        tf.config.experimental.enable_op_determinism()

    def building(self):
        return self.strategy.scope()

    def share(self, dataset, load, batch_size, epochs=None):
        if self.replicas == 1:
            return super().share(dataset, load, batch_size, epochs)

        def of_host(context):
            shard = (context.num_input_pipelines, context.input_pipeline_id)
            batches = load_shard(dataset, load, batch_size, shard, epochs)
            per_replica = context.get_per_replica_batch_size(batch_size)
            is_whole = per_replica == batch_size // context.num_input_pipelines
            return batches if is_whole else batches.rebatch(per_replica, drop_remainder=True)

        return self.strategy.distribute_datasets_from_function(of_host)

    def sum_over_processes(self, value):
        if self.processes == 1:
            return value
        add = tf.function(lambda one: self.strategy.reduce("SUM", self.strategy.run(tf.identity, (one,)), axis=None))
        return float(add(tf.constant(value))) * self.processes / self.replicas

    def wait_for_all(self):
        self.sum_over_processes(1.0)

    def has_lost(self, error):
        return isinstance(error, tf.errors.UnavailableError)

    def start_trace(self, folder):
        tf.profiler.experimental.start(folder)

    def stop_trace(self):
        tf.profiler.experimental.stop()


def build_devices(settings: TrainSettings) -> TensorFlowDevices:
    """Returns the devices that the options ask for."""
    if settings.gpus:
        return TensorFlowDevices(build_gpus(settings.gpus))
    if settings.multi_worker:
        check_cluster(os.environ.get("TF_CONFIG"))
        return TensorFlowDevices(tf.distribute.MultiWorkerMirroredStrategy())
    return TensorFlowDevices()


def build_gpus(count: int) -> tf.distribute.Strategy:
    """Returns a strategy over the first `count` GPUs of this machine."""
    found = tf.config.list_logical_devices("GPU")
    if count > len(found):
        advice = "Check the driver with nvidia-smi, or remove --gpus to train on what there is."
        raise UserError(f"--gpus {count}: expected at most the {len(found)} GPU(s) that TensorFlow sees here. {advice}")
    return tf.distribute.MirroredStrategy([device.name for device in found[:count]])


def check_cluster(text: str | None) -> None:
    """Raises a UserError unless TF_CONFIG describes a cluster and the task of this process in it."""
    hint = "docs/backends.md shows one."
    if not text:
        raise UserError(f"--multi-worker: expected the environment variable TF_CONFIG, it is not set. {hint}")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        known = {kind: len(_check_hosts(cluster[kind])) for kind in ("chief", "worker") if kind in cluster}
        is_known = 0 <= Limits(whole=True).check("index", int(task["index"])) < known.get(task["type"], 0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        expected = "expected TF_CONFIG to list a cluster and a task"
        raise UserError(f"--multi-worker: {expected}, got {shorten(text)}. {hint}") from None
    if not is_known:
        raise UserError(
            f"--multi-worker: expected a task of the cluster, {known}, in TF_CONFIG, got {shorten(str(task))}. {hint}"
        )


def _check_hosts(hosts) -> list[str]:
    """Returns the addresses of one kind of task; raises a ValueError unless they are "host:port"."""
    if not isinstance(hosts, list) or not all(isinstance(host, str) and HOST.fullmatch(host) for host in hosts):
        raise ValueError(hosts)
    return hosts


def _processes(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Returns the number of processes that train together, and the index of this one; a chief has index 0."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1, 0
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec()
    before = 1 if resolver.task_type == "worker" and "chief" in cluster.jobs else 0
    return len(tf.nest.flatten(cluster.as_dict())), resolver.task_id + before


def _names(strategy: tf.distribute.Strategy) -> list[str]:
    if strategy.num_replicas_in_sync > 1:
        names = strategy.extended.worker_devices
    else:  # TensorFlow takes the first GPU if there is one
        names = [device.name for device in tf.config.list_logical_devices("GPU")[:1]] or ["CPU"]
    return [name.split("device:")[-1] for name in names]
