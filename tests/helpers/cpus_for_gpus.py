"""`one_run` on JAX in which `--gpus N` takes CPU devices; XLA_FLAGS makes several of them:

XLA_FLAGS=--xla_force_host_platform_device_count=N python -m tests.helpers.cpus_for_gpus OPTIONS
"""

import runpy

import jax

from keras_centernet.runs.devices import jax as on_jax

if __name__ == "__main__":
    on_jax.find_gpus = lambda count: jax.local_devices()[:count]
    runpy.run_module("tests.helpers.one_run", run_name="__main__")
