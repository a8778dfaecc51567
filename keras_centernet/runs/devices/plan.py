"""How a run uses its devices: batches that they can share, steps that run together, and the precision."""

from keras_centernet.errors import UserError
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.settings import TrainSettings

TPU_STEPS = 32  # default of --steps-per-execution on a TPU, which should not wait for the host after every step


def check_batch(devices: Devices, batch_size: int, accumulate: int = 1) -> None:
    """Raises a UserError unless the replicas can share a global batch evenly, each in `accumulate` micro-batches."""
    if batch_size % (devices.replicas * accumulate):
        several = f"{devices.replicas} device(s)" + (f" times --accumulate {accumulate}" if accumulate > 1 else "")
        raise UserError(f"--batch-size: expected a multiple of the {several}, got {batch_size} images a step.")


def steps_together(steps: int, settings: TrainSettings) -> int:
    """Returns the steps per execution, from the wanted number down to half of it, that waste the fewest `steps`.

    `steps` are those of an epoch. The steps left over are not run, because Keras would take the rest of their execution
    from the next epoch.
    """
    most = min(steps, settings.steps_per_execution or (TPU_STEPS if settings.tpu else 1))
    return min(range(most, most // 2, -1), key=lambda count: steps % count)


def computes_in_half(settings: TrainSettings) -> bool:
    """Returns whether the network computes in bfloat16; on a TPU it always does."""
    return settings.mixed_precision or settings.tpu
