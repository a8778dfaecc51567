"""JAX: one device, several of this machine, or those of several processes or hosts, as one global program.

`keras.distribution` lays every batch over all of them, and gives each a copy of the weights.
"""

import atexit
import contextlib
import os
import re
import sys
from collections.abc import Mapping

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from keras_centernet.errors import UserError, first_line
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.settings import TrainSettings

ADDRESSES, COUNT, INDEX = (f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"))
HEARTBEAT_SECONDS = 30  # a process that is silent for so long counts as lost; JAX then ends the others, if no error has
ERRORS = (jax.errors.JaxRuntimeError, ValueError)  # of compiled functions, of other functions
# Words of JAX's errors when another process does not answer any more.
LOST = re.compile("Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|[Cc]oordination service|heartbeat|Connection (reset|closed)")
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


class JaxDevices(Devices):
    """Devices of all processes that train together, in JAX's order.

    Args:
        devices: `jax.Device`s; those of a process share its part of each batch. None: the default one alone.
    """

    def __init__(self, devices: list[jax.Device] | None = None):
        here = jax.local_devices()[:1] if devices is None else [one for one in devices if is_here(one)]
        names = [f"{one.platform.upper()}:{one.id}" for one in here]
        processes = (jax.process_count(), jax.process_index())
        super().__init__(names, 1 if devices is None else len(devices), *processes)
        self.distribution = None
        if devices is not None:
            laid_out = [f"{one.platform}:{one.id}" for one in devices]
            self.distribution = keras.distribution.DataParallel(devices=laid_out, auto_shard_dataset=False)

    def building(self):
        return self.distribution.scope() if self.distribution else contextlib.nullcontext()

    def fitting(self):
        return self.building()

    @contextlib.contextmanager
    def alone(self):
        # Otherwise Keras would lay every new variable over all devices, and wait for the other processes to do so, too.
        # Saving a model makes new variables: those of a copy of the optimizer.
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self.distribution)

    def sum_over_processes(self, value):
        return float(np.sum(multihost_utils.process_allgather(np.float32(value))))

    def wait_for_all(self):
        self.sum_over_processes(0.0)

    def has_lost(self, error):
        return self.processes > 1 and any(type(one) in ERRORS and LOST.search(str(one)) for one in _chain(error))

    def leave(self, error):
        if self.processes > 1:
            # At a normal exit JAX waits minutes for processes that have already ended.
            atexit.register(_exit, 128 + getattr(error, "number", 2) if isinstance(error, KeyboardInterrupt) else 2)

    def start_trace(self, folder):
        jax.profiler.start_trace(folder)

    def stop_trace(self):
        jax.profiler.stop_trace()


def build_devices(settings: TrainSettings) -> JaxDevices:
    """Returns the devices that the options ask for."""
    if settings.deterministic:  # before JAX looks for devices
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}".strip()
    if settings.tpu:
        return JaxDevices(find_tpus())
    if settings.gpus:
        return JaxDevices(find_gpus(settings.gpus))
    if settings.multi_worker:
        connect(*read_cluster(os.environ))
        return JaxDevices(jax.devices())
    return JaxDevices()


def find_tpus() -> list[jax.Device]:
    """Returns all TPU cores of this host, or of all hosts of its slice."""
    if os.environ.get(ADDRESSES):
        connect(*read_cluster(os.environ))
    elif _has_tpu():
        with contextlib.suppress(ValueError, OSError):  # the environment names no other hosts: there are none
            jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    try:
        return jax.devices("tpu")
    except RuntimeError as error:
        advice = (
            'Start on a TPU machine with pip install "keras_centernet[tpu]", see that no other process uses the TPU, '
            "or remove --tpu."
        )
        raise UserError(f"--tpu: expected a TPU, found none ({first_line(error).rstrip('.')}). {advice}") from None


def find_gpus(count: int) -> list[jax.Device]:
    """Returns the first `count` GPUs of this machine."""
    try:
        found = jax.local_devices(backend="gpu")
    except RuntimeError:
        found = []
    if count > len(found):
        advice = 'Check the driver with nvidia-smi and pip install "keras_centernet[jax-cuda]", or remove --gpus.'
        raise UserError(f"--gpus {count}: expected at most the {len(found)} GPU(s) that JAX sees here. {advice}")
    return found[:count]


def read_cluster(variables: Mapping[str, str]) -> tuple[str, int, int]:
    """Returns (addresses, number of processes, index of this one) from Keras' environment variables.

    Raises:
        UserError: a variable is missing or wrong, or they contradict each other.
    """
    example = f"{ADDRESSES}=host0:2222 {COUNT}=2 {INDEX}=0"
    hint = f"Start every process with variables such as {example} and its own {INDEX}."
    missing = [name for name in (ADDRESSES, COUNT, INDEX) if not variables.get(name)]
    if missing:
        what = f"the environment variable(s) {', '.join(missing)}, not set"
        raise UserError(f"--multi-worker: expected {what}. {hint}")
    addresses, count, index = (variables[name] for name in (ADDRESSES, COUNT, INDEX))
    if not count.isdecimal() or int(count) < 2:
        raise UserError(f"--multi-worker: expected {COUNT} of at least 2, got {count}. {hint}")
    if not index.isdecimal() or int(index) >= int(count):
        raise UserError(f"--multi-worker: expected {INDEX} from 0 to {int(count) - 1}, got {index}. {hint}")
    listed = addresses.split(",")
    if len(listed) not in (1, int(count)) or not all(re.fullmatch(r"\S+:\d+", one) for one in listed):
        expected = f"one HOST:PORT or {count} of them, with commas, in {ADDRESSES}"
        raise UserError(f"--multi-worker: expected {expected}, got {addresses}. {hint}")
    return addresses, int(count), int(index)


def connect(addresses: str, count: int, index: int) -> None:
    """Connects this process with the others; waits for all of them."""
    coordinator = addresses.partition(",")[0]
    try:
        jax.distributed.initialize(coordinator, count, index, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except RuntimeError as error:
        atexit.register(_exit, 2)  # it is only half connected
        expected = f"{count} processes that answer at {addresses}"
        raise UserError(f"--multi-worker: expected {expected}, got {first_line(error)}") from error


def is_here(device: jax.Device) -> bool:
    """Returns whether a device belongs to this process."""
    return device.process_index == jax.process_index()


def _has_tpu() -> bool:
    """Whether JAX, when it was imported, found TPU chips and the library that drives them."""
    return "tpu" in (jax.config.jax_platforms or "")


def _chain(error: BaseException | None):
    """Yields an exception, its cause or context, and in turn theirs."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
