"""One training step of a small network, on one device or on several replicas, for tests that compare these.

Logical devices must be made before TensorFlow starts, so several replicas run in a process of their own:

    python tests/helpers/many_devices.py DEVICES FOLDER NETWORK CASE...
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from keras_centernet import CenterNet
from keras_centernet.fitting.nonfinite import NonFiniteLossError
from tests.helpers.step_cases import TWO_STACKS, batch, build


def train(case: str, network: str = TWO_STACKS) -> tuple[CenterNet, dict]:
    """Returns the model after one step of `fit`, and the figures of that step."""
    model = build(case, network)
    history = model.fit(tf.data.Dataset.from_tensors(batch(case)), verbose=0).history
    return model, {name: values[0] for name, values in history.items()}


def evaluate(model: CenterNet, case: str) -> dict:
    """Returns the validation figures of the global batch."""
    return model.evaluate(tf.data.Dataset.from_tensors(batch(case)), verbose=0, return_dict=True)


def write_step(case: str, network: str, folder: pathlib.Path) -> None:
    """Writes weights, figures and validation figures of a case; checks that replicas hold the same weights."""
    model, figures = train(case, network)
    for variable in model.network.variables + (model.average.averages if model.average else []):
        first, *others = (np.asarray(value) for value in variable.value.values)
        assert all(np.array_equal(first, other) for other in others), variable.path
    evaluated = evaluate(model, case)
    weights = {f"weight{i}": np.asarray(variable) for i, variable in enumerate(model.network.variables)}
    figures |= {f"val_{name}": value for name, value in evaluated.items()}
    np.savez(folder / f"{case}.npz", **weights, **figures)


def draw(model: CenterNet) -> np.ndarray:
    """Returns the colour-augmented global batch of the model's first step."""
    strategy, (images, _) = tf.distribute.get_strategy(), batch("colors")
    shares = np.split(images, strategy.num_replicas_in_sync)
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shares[context.replica_id_in_sync_group])
    )
    values = strategy.run(model.augment_and_normalize, args=(share,))
    return np.concatenate([value.numpy() for value in strategy.experimental_local_results(values)])


def check_that_a_nan_stops(case: str = "detection") -> None:
    """Checks that a loss that is NaN on only one replica stops the training."""
    model = build(case)
    images, objects = batch(case)
    objects["boxes_xyxy"][3, 0] = np.nan
    try:
        model.fit(tf.data.Dataset.from_tensors((images, objects)), verbose=0)
    except NonFiniteLossError:
        return
    raise AssertionError("a NaN went unseen")


if __name__ == "__main__":
    devices, place, network, *cases = int(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    with tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)]).scope():
        for name in cases:
            write_step(name, network, place)
        if not cases:
            check_that_a_nan_stops()
            np.savez(place / "drawn.npz", drawn=draw(build("colors")))
