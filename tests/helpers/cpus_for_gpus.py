"""Makes `--gpus N` on JAX take CPU devices, which XLA_FLAGS=--xla_force_host_platform_device_count=N makes many of."""

import jax

from keras_centernet.runs.devices import jax as on_jax


def take_cpus() -> None:
    """Replaces what looks for GPUs in this process."""
    on_jax.find_gpus = lambda count: jax.local_devices()[:count]
