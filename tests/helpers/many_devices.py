"""One training step of a small network, on one device or on several; what tests of replicas compare.

Logical devices must be made before TensorFlow starts, so several are a process of their own:

    python tests/helpers/many_devices.py DEVICES FOLDER NETWORK CASE...
"""

import functools
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from keras_centernet import CenterNet
from keras_centernet.fitting.nonfinite import NonFiniteLossError
from keras_centernet.networks.blocks import conv_norm, deformable_norm
from keras_centernet.networks.table import BACKBONES, Backbone

TWO_STACKS, DEFORMABLE = "two_stacks", "deformable_stacks"
RATE, DECAY, SIDE = 0.01, 0.9, 32
OBJECTS = (1, 3, 0, 2)  # in each of the four images: no two shards are alike, and a shard of one image is empty
# name -> (task, whether batch normalisation is frozen, whether all images are alike, options of compile, of SGD)
CASES = {
    "detection": ("detection", True, False, {}, {}),
    "detection_3d": ("detection_3d", True, False, {}, {}),
    "pose": ("pose", True, False, {}, {}),
    "clipped": ("detection", True, False, {}, {"global_clipnorm": 0.5}),
    "published mean": ("detection", True, False, {"loss_mean": "replica"}, {}),
    "alike": ("detection", False, True, {}, {}),
    "in parts": ("detection", True, False, {"accumulate": 2}, {}),
    "clipped in parts": ("detection", True, False, {"accumulate": 2}, {"global_clipnorm": 0.5}),
    "averaged": ("detection", False, False, {"average_decay": DECAY}, {}),
}


def build_stacks(is_deformable, images):
    """Two stacks, the second behind a convolution, which XLA compiles where it is deformable: seconds each time."""
    x = conv_norm(images, 8, 3, stride=2, conv="conv1", norm="bn1")
    x = conv_norm(x, 8, 3, stride=2, conv="conv2", norm="bn2")
    names = {"conv": "conv3", "norm": "bn3"}
    return [x, deformable_norm(x, 8, **names) if is_deformable else conv_norm(x, 8, 3, **names)]


def add_two_stacks() -> None:
    """Puts the two networks into the table of this process."""
    for name in (TWO_STACKS, DEFORMABLE):
        BACKBONES[name] = Backbone(functools.partial(build_stacks, name == DEFORMABLE), head_channels=4)


def build(case: str, network: str = TWO_STACKS) -> CenterNet:
    """Returns the compiled model of a case, with the same weights each time."""
    task, is_frozen, _, options, of_sgd = CASES[case]
    add_two_stacks()
    keras.utils.set_random_seed(1)
    model = CenterNet(network, task, num_classes=3 if task == "detection_3d" else 2, input_size=SIDE)
    random = np.random.default_rng(2)
    for variable in model.trainable_variables:  # away from the zeros at which heads and offsets start
        variable.assign(variable + random.normal(0, 0.05, variable.shape))
    for layer in model.network._flatten_layers():
        if is_frozen and isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    model.compile(keras.optimizers.SGD(RATE, **of_sgd), color_augmentation=False, **options)
    return model


def batch(case: str) -> tuple:
    """Returns (images, objects) of a global batch of four."""
    random, slots = np.random.default_rng(3), 4
    images = random.integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    starts = random.uniform(0, SIDE / 2, (4, slots, 2))
    objects = {
        "boxes_xyxy": np.concatenate([starts, starts + random.uniform(8, SIDE / 2, (4, slots, 2))], -1),
        "locations_xyz": random.uniform(5, 40, (4, slots, 3)),
        "dimensions_hwl": random.uniform(1, 4, (4, slots, 3)),
        "alphas": random.uniform(-3, 3, (4, slots)),
        "keypoints_xyv": np.concatenate([random.uniform(0, SIDE, (4, slots, 17, 2)), np.ones((4, slots, 17, 1))], -1),
    }
    objects = {key: values.astype("float32") for key, values in objects.items()}
    objects["classes"] = random.integers(0, 2, (4, slots)).astype("int32")
    objects["mask"] = np.arange(slots) < np.array(OBJECTS)[:, None]
    objects["is_crowd"] = np.zeros((4, slots), bool)
    if CASES[case][2]:
        images, objects = images[[1] * 4], {key: values[[1] * 4] for key, values in objects.items()}
    return images, objects


def train(case: str, network: str = TWO_STACKS) -> tuple[CenterNet, dict]:
    """Returns the model after one step of `fit`, and the figures of that step."""
    model = build(case, network)
    history = model.fit(tf.data.Dataset.from_tensors(batch(case)), verbose=0).history
    return model, {name: values[0] for name, values in history.items()}


def evaluate(model: CenterNet, case: str) -> dict:
    """Returns the validation figures of the global batch."""
    return model.evaluate(tf.data.Dataset.from_tensors(batch(case)), verbose=0, return_dict=True)


def write_step(case: str, network: str, folder: pathlib.Path) -> None:
    """Writes weights, figures and validation figures of a case; replicas must hold the same weights."""
    model, figures = train(case, network)
    for variable in model.network.variables + (model.average.averages if model.average else []):
        first, *others = (np.asarray(value) for value in variable.value.values)
        assert all(np.array_equal(first, other) for other in others), variable.path
    evaluated = evaluate(model, case)
    weights = {f"weight{i}": np.asarray(variable) for i, variable in enumerate(model.network.variables)}
    figures |= {f"val_{name}": value for name, value in evaluated.items()}
    np.savez(folder / f"{case}.npz", **weights, **figures)


def draw(seeds) -> list:
    """Returns two numbers that each replica draws in its first step."""
    values = tf.distribute.get_strategy().run(lambda: keras.random.uniform((2,), seed=seeds))
    return [value.numpy().tolist() for value in tf.distribute.get_strategy().experimental_local_results(values)]


def check_that_a_nan_stops(case: str = "detection") -> None:
    """A loss that is NaN on one replica only stops the training."""
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
            np.savez(place / "drawn.npz", drawn=draw(build("detection")._seeds))
