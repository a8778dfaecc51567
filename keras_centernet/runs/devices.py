"""The devices of a run: from an option to a `tf.distribute` strategy, and the plan in words."""

import os
import re
import threading
from collections.abc import Callable

import tensorflow as tf

from keras_centernet.errors import UserError
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.workers import check_cluster, count_workers

TPU_SECONDS = 300  # within which a TPU must answer: TensorFlow itself would try an address for ever
TPU_STEPS = 32  # default of --steps-per-execution on a TPU, where the host cannot keep up with single steps
LOCAL_TPU = "local"  # the TPU of the virtual machine that this process runs on


def build_strategy(settings: TrainSettings) -> tf.distribute.Strategy:
    """Returns the strategy that the options ask for; TensorFlow's default (CPU or one GPU) without any.

    Several workers must be connected before TensorFlow does anything else in the process.
    """
    chosen = [name for name in STRATEGIES if getattr(settings, name)]
    if len(chosen) > 1:
        options = " and ".join("--" + name.replace("_", "-") for name in chosen)
        raise UserError(f"Expected at most one of --tpu, --gpus and --multi-worker, got {options}.")
    return STRATEGIES[chosen[0]](getattr(settings, chosen[0])) if chosen else tf.distribute.get_strategy()


def build_tpu(name: str) -> tf.distribute.Strategy:
    """Returns a strategy over all cores of a TPU: "local", or one by its name or grpc:// address."""
    found, failure = [], []

    def connect():
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
            found.append(resolver)
        except Exception as error:  # of TensorFlow, of the network, of the metadata server
            failure.append(re.split(r"\.\s|\n", str(error).strip())[0] or type(error).__name__)

    # An address that does not answer blocks inside TensorFlow, where neither an exception nor Ctrl-C gets through.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(TPU_SECONDS)
    if not found:
        reason = failure[0] if failure else f"no answer within {TPU_SECONDS} s"
        advice = "Start on a TPU virtual machine with --tpu, name a TPU that is running, or remove --tpu."
        raise UserError(f"--tpu {name}: expected a TPU, found none ({reason}). {advice}")
    return tf.distribute.TPUStrategy(found[0])


def build_gpus(count: int) -> tf.distribute.Strategy:
    """Returns a strategy over the first `count` GPUs of this machine."""
    found = tf.config.list_logical_devices("GPU")
    if count > len(found):
        advice = "Check the driver with nvidia-smi, or remove --gpus to train on what there is."
        raise UserError(f"--gpus {count}: expected at most the {len(found)} GPU(s) that TensorFlow sees here. {advice}")
    return tf.distribute.MirroredStrategy([device.name for device in found[:count]])


def build_multi_worker(_: bool = True) -> tf.distribute.Strategy:
    """Returns a strategy over the workers that the environment variable TF_CONFIG lists; waits for all of them."""
    check_cluster(os.environ.get("TF_CONFIG"))
    return tf.distribute.MultiWorkerMirroredStrategy()


STRATEGIES: dict[str, Callable] = {"tpu": build_tpu, "gpus": build_gpus, "multi_worker": build_multi_worker}


def check_batch(strategy: tf.distribute.Strategy, batch_size: int, accumulate: int = 1) -> None:
    """Raises a UserError unless the replicas can share a global batch evenly, each in `accumulate` micro-batches."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % (replicas * accumulate):
        several = f"{replicas} device(s)" + (f" times --accumulate {accumulate}" if accumulate > 1 else "")
        raise UserError(f"--batch-size: expected a multiple of the {several}, got {batch_size} images a step.")


def steps_together(steps: int, settings: TrainSettings) -> int:
    """Returns the steps per execution that waste the fewest of the `steps` of an epoch: those wanted, or down to half.

    (The steps left over are not run: Keras would take them from the next epoch.)
    """
    most = min(steps, settings.steps_per_execution or (TPU_STEPS if settings.tpu else 1))
    return min(range(most, most // 2, -1), key=lambda count: steps % count)


def plan(
    settings: TrainSettings, strategy: tf.distribute.Strategy, train_set: tf.data.Dataset, steps: int, together: int = 1
) -> str:
    """Returns in words what will run where; an epoch has `steps`, of which `together` run per execution."""
    replicas = strategy.num_replicas_in_sync
    batch_size = train_set.element_spec[0].shape[0]
    workers = count_workers(strategy)
    rows = {
        "devices": f"{replicas} replica(s) of {workers} process(es); here {', '.join(_device_names(strategy))}",
        "batch": f"{batch_size} images in a step, {batch_size // replicas} per replica"
        + (f", in {settings.accumulate} micro-batches" if settings.accumulate > 1 else ""),
        "steps": f"{steps} an epoch, {steps * settings.epochs} in {settings.epochs} epochs"
        + (f", {together} per execution" if together > 1 else ""),
        "precision": "bfloat16, weights and losses float32" if computes_in_half(settings) else "float32",
        "losses": f"means over the objects of the {settings.loss_mean.replace('_', ' ')}",
        "data": f"{train_set.source.name}, {train_set.source.size} images, {_readers(settings, workers)}",
    }
    return "\n".join(f"{name:10} {text}" for name, text in rows.items())


def _readers(settings: TrainSettings, workers: int) -> str:
    if reads_elsewhere(settings):
        return "read by the hosts of the TPU"
    return f"1/{workers} of them read by each process" if workers > 1 else "read by this process"


def reads_elsewhere(settings: TrainSettings) -> bool:
    """Returns whether the hosts of a remote TPU, which know nothing of this process, make the batches."""
    return settings.tpu not in (None, LOCAL_TPU)


def computes_in_half(settings: TrainSettings) -> bool:
    """Returns whether the network computes in bfloat16; on a TPU it always does."""
    return settings.mixed_precision or bool(settings.tpu)


def _device_names(strategy) -> list[str]:
    if strategy.num_replicas_in_sync > 1:
        names = strategy.extended.worker_devices
    else:  # TensorFlow takes the first GPU if there is one
        names = [device.name for device in tf.config.list_logical_devices("GPU")[:1]] or ["CPU"]
    return [name.split("device:")[-1] for name in names]
