"""What will run where: batches that devices can share, steps that run together, and the plan in words."""

import tensorflow as tf

from keras_centernet.errors import UserError
from keras_centernet.runs.devices.choosing import running_backend
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.devices.table import BACKENDS
from keras_centernet.runs.settings import TrainSettings

TPU_STEPS = 32  # default of --steps-per-execution on a TPU, which should not wait for the host after single steps


def check_batch(devices: Devices, batch_size: int, accumulate: int = 1) -> None:
    """Raises a UserError unless the replicas can share a global batch evenly, each in `accumulate` micro-batches."""
    if batch_size % (devices.replicas * accumulate):
        several = f"{devices.replicas} device(s)" + (f" times --accumulate {accumulate}" if accumulate > 1 else "")
        raise UserError(f"--batch-size: expected a multiple of the {several}, got {batch_size} images a step.")


def steps_together(steps: int, settings: TrainSettings) -> int:
    """Returns the steps per execution that waste the fewest of the `steps` of an epoch: those wanted, or down to half.

    (The steps left over are not run: Keras would take them from the next epoch.)
    """
    most = min(steps, settings.steps_per_execution or (TPU_STEPS if settings.tpu else 1))
    return min(range(most, most // 2, -1), key=lambda count: steps % count)


def computes_in_half(settings: TrainSettings) -> bool:
    """Returns whether the network computes in bfloat16; on a TPU it always does."""
    return settings.mixed_precision or settings.tpu


def plan(settings: TrainSettings, devices: Devices, train_set: tf.data.Dataset, steps: int, together: int = 1) -> str:
    """Returns in words what will run where; an epoch has `steps`, of which `together` run per execution."""
    replicas, processes = devices.replicas, devices.processes
    batch_size = train_set.element_spec[0].shape[0]
    readers = f"1/{processes} of them read by each process" if processes > 1 else "read by this process"
    rows = {
        "backend": BACKENDS[running_backend()].title,
        "devices": f"{replicas} replica(s) of {processes} process(es); here {', '.join(devices.names)}",
        "batch": f"{batch_size} images in a step, {batch_size // replicas} per replica"
        + (f", in {settings.accumulate} micro-batches" if settings.accumulate > 1 else ""),
        "steps": f"{steps} an epoch, {steps * settings.epochs} in {settings.epochs} epochs"
        + (f", {together} per execution" if together > 1 else ""),
        "precision": "bfloat16, weights and losses float32" if computes_in_half(settings) else "float32",
        "losses": f"means over the objects of the {settings.loss_mean.replace('_', ' ')}",
        "data": f"{train_set.source.name}, {train_set.source.size} images, {readers}",
    }
    return "\n".join(f"{name:10} {text}" for name, text in rows.items())
