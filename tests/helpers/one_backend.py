"""Writes the results of a step, for tests that compare backends and numbers of devices; run in a process of its own:

    KERAS_BACKEND=jax python tests/helpers/one_backend.py FOLDER NETWORK IMAGES DEVICES CASE...

Each case becomes FOLDER/CASE.npz. DEVICES is the number of JAX's CPU devices that share each batch; 0: no distribution.
"""

import os
import pathlib
import sys


def main(folder: str, network: str, images: str, devices: str, *cases: str) -> None:
    """Runs the cases; JAX counts its devices when it is imported."""
    if int(devices):
        count = f"--xla_force_host_platform_device_count={devices}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {count}"
    import keras
    import numpy as np

    from tests.helpers.step_cases import one_step

    if int(devices):
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    for case in cases:
        np.savez(pathlib.Path(folder) / f"{case}.npz", **one_step(case, network, int(images)))


if __name__ == "__main__":
    main(*sys.argv[1:])
