"""One training step of a small network in several cases, on any backend, for tests that compare steps.

Weights and batches come from NumPy, so that they are the same on every backend.
"""

import functools

import keras
import numpy as np

from keras_centernet import CenterNet
from keras_centernet.networks.blocks import conv_norm, deformable_norm
from keras_centernet.networks.table import BACKBONES, Backbone

TWO_STACKS, DEFORMABLE = "two_stacks", "deformable_stacks"
RATE, DECAY, SIDE = 0.01, 0.9, 32
OBJECTS = (1, 3, 0, 2)  # in each of four images: no two shards are alike, and a shard of one image can be empty
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
    "colors": ("detection", False, False, {"color_augmentation": True}, {}),
    "everything": (
        "pose",
        False,
        False,
        {"color_augmentation": True, "average_decay": DECAY, "accumulate": 2, "freeze": "conv1"},
        {"global_clipnorm": 0.5},
    ),
}


def build_stacks(is_deformable, images):
    """Returns two stacks; the second comes from a convolution that takes XLA seconds to compile if it is deformable."""
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
        shape, is_kernel = variable.shape, len(variable.shape) > 1
        start = (
            random.normal(0, np.prod(shape[:-1]) ** -0.5, shape) if is_kernel else keras.ops.convert_to_numpy(variable)
        )
        variable.assign(start + random.normal(0, 0.05, shape))
    for layer in model.network._flatten_layers():
        if is_frozen and isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    model.compile(keras.optimizers.SGD(RATE, **of_sgd), **{"color_augmentation": False} | options)
    return model


def batch(case: str, images: int = len(OBJECTS)) -> tuple:
    """Returns (images, objects) of a global batch."""
    random, slots, count = np.random.default_rng(3), 4, images
    images = random.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    starts = random.uniform(0, SIDE / 2, (count, slots, 2))
    keypoints = random.uniform(0, SIDE, (count, slots, 17, 2))
    objects = {
        "boxes_xyxy": np.concatenate([starts, starts + random.uniform(8, SIDE / 2, (count, slots, 2))], -1),
        "locations_xyz": random.uniform(5, 40, (count, slots, 3)),
        "dimensions_hwl": random.uniform(1, 4, (count, slots, 3)),
        "alphas": random.uniform(-3, 3, (count, slots)),
        "keypoints_xyv": np.concatenate([keypoints, np.ones((count, slots, 17, 1))], -1),
    }
    objects = {key: values.astype("float32") for key, values in objects.items()}
    objects["classes"] = random.integers(0, 2, (count, slots)).astype("int32")
    objects["mask"] = np.arange(slots) < np.resize(OBJECTS, count)[:, None]
    objects["is_crowd"] = np.zeros((count, slots), bool)
    if CASES[case][2]:
        images, objects = images[[1] * count], {key: values[[1] * count] for key, values in objects.items()}
    return images, objects


def weights_of(model: CenterNet) -> list[np.ndarray]:
    """Returns the values of all variables of the network."""
    return [keras.ops.convert_to_numpy(variable) for variable in model.network.variables]


def one_step(case: str, network: str = TWO_STACKS, images: int = len(OBJECTS)) -> dict[str, np.ndarray]:
    """Returns the results of a step of `fit`: its metrics, those of `evaluate` after it, weights and detections."""
    model, data = build(case, network), batch(case, images)
    history = model.fit(*data, batch_size=images, shuffle=False, verbose=0).history
    figures = {name: values[0] for name, values in history.items()}
    evaluated = model.evaluate(*data, batch_size=images, verbose=0, return_dict=True)
    figures |= {f"val_{name}": value for name, value in evaluated.items()}
    found = model.detect_batch(data[0], top_k=5)
    detected = {name: keras.ops.convert_to_numpy(found[name])[:, 0] for name in ("boxes_xyxy", "scores")}
    return figures | detected | {f"weight{i}": value for i, value in enumerate(weights_of(model))}


def assert_same_change(received, expected, start) -> None:
    """Checks that every variable has moved in the same way, to a ten thousandth of its move."""
    for got, wanted, before in zip(received, expected, start, strict=True):
        change = wanted - before
        np.testing.assert_allclose(got - before, change, rtol=1e-4, atol=1e-4 * np.abs(change).max() + 1e-7)
