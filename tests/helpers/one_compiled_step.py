"""Checks without a TPU what a TPU needs of a training step: the whole step of a network compiles under XLA.

The compiled step gives the same loss and moves the weights as the graph does. The graph makes no calls to the host and
knows every shape. Run in a process of its own for each network:

    python tests/helpers/one_compiled_step.py NAME [TASK [PARTS]]
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
import tensorflow as tf

from keras_centernet import BACKBONES, CenterNet
from tests.helpers import step_cases
from tests.helpers.graph_nodes import CALLS_TO_PYTHON, nodes_of
from tests.helpers.rounding import shake

CALLS_TO_THE_HOST = CALLS_TO_PYTHON | {"HostSend", "HostRecv", "Print", "PrintV2", "Assert"}
SIZES_BY_VALUE = {"Where", "Unique", "UniqueV2", "NonMaxSuppressionV3", "DynamicPartition", "SparseToDense"}
# The sixth output is cuDNN's memory of the forward pass: empty on other devices, and of unknown shape.
ALWAYS_OPEN = {"FusedBatchNormV3": (5, "reserve_space_3:0")}  # the output's number, and its name within functions
BATCH = 2
# Rounding changes a deep network's gradients at the kinks of ReLU, pooling and interpolation. How much is measured in
# the graph, with weights changed by a few float32 roundings, several times because a kink is met or not (mobile_medium:
# 0.005 to 0.085 of the step). The compiled step may differ three times as much as the most of them.
SHAKES = 4
# Differences as shares of the step: always allowed, and never allowed (152 layers: 0.38; unrelated steps: 1.4).
SMOOTH, LARGEST = 1e-3, 0.5
SAME = 1e-4  # of a loss


def build(name: str, task: str, side: int, parts: int) -> CenterNet:
    """Returns a compiled model with weights that all have gradients."""
    keras.utils.set_random_seed(0)
    model = CenterNet(name, task, num_classes=3 if task == "detection_3d" else 2, input_size=side)
    model.compile(keras.optimizers.SGD(1e-3), color_augmentation=False, average_decay=0.9, accumulate=parts)
    return model


def objects_of(side: int) -> tuple:
    """Returns two images and their objects, with the fields that all tasks need."""
    images, objects = step_cases.batch("detection")
    images = np.random.default_rng(1).integers(0, 256, (BATCH, side, side, 3), np.uint8)
    scale = side / step_cases.SIDE
    objects = {key: values[:BATCH] for key, values in objects.items()}
    objects["boxes_xyxy"] = objects["boxes_xyxy"] * np.float32(scale)
    return tf.constant(images), {key: tf.constant(values) for key, values in objects.items()}


def step_from(model: CenterNet, start: list, batch: tuple, **options) -> tuple:
    """Returns the step's function, its figures, and how much it has moved every trainable variable."""
    for variable, value in zip(model.variables, start, strict=True):
        variable.assign(value)
    model.reset_metrics()
    step = tf.function(model.train_step, autograph=False, **options)
    figures = {name: float(value) for name, value in step(batch).items()}
    moved = [np.asarray(v) - value for v, value in zip(model.trainable_variables, start_of(model, start), strict=True)]
    return step, figures, moved


def start_of(model: CenterNet, start: list) -> list:
    """Returns the start of the trainable variables only."""
    by_id = {id(variable): value for variable, value in zip(model.variables, start, strict=True)}
    return [by_id[id(variable)] for variable in model.trainable_variables]


def distance(moved: list, other: list) -> float:
    """Returns how far two steps differ, as a share of the first one's length."""
    difference = sum(np.sum((a - b) ** 2) for a, b in zip(moved, other, strict=True))
    return float(np.sqrt(difference / sum(np.sum(a**2) for a in moved)))


def check_graph(graph_def) -> None:
    """Checks that no operation calls the host, and that every tensor's shape is known before the step runs."""
    nodes = nodes_of(graph_def)
    assert len(nodes) > 100
    operations = {node.op for node in nodes}
    assert not operations & (CALLS_TO_THE_HOST | SIZES_BY_VALUE), operations & (CALLS_TO_THE_HOST | SIZES_BY_VALUE)
    memories = {f"{node.name}:{which}" for node in nodes for which in ALWAYS_OPEN.get(node.op, ())}
    for node in nodes:
        for i, shape in enumerate(node.attr["_output_shapes"].list.shape):
            is_open = shape.unknown_rank or any(side.size < 0 for side in shape.dim)
            is_memory = i in ALWAYS_OPEN.get(node.op, ()) or (node.op == "ZerosLike" and node.input[0] in memories)
            assert not is_open or is_memory, (node.op, node.name, i)


def main(name: str, task: str = "detection", parts: str = "1") -> None:
    """Runs the step in a graph and compiled, compares the two, and checks the graph."""
    step_cases.add_two_stacks()
    side = 2 * BACKBONES[name].multiple_of  # with one cell and two images, batch normalisation gives only signs
    model, batch = build(name, task, side, int(parts)), objects_of(side)
    start = [np.asarray(variable) for variable in model.variables]
    step, figures, moved = step_from(model, start, batch)
    shaken = [step_from(model, shake(start, seed), batch)[1:] for seed in range(SHAKES)]
    _, compiled_figures, compiled_moved = step_from(model, start, batch, jit_compile=True)
    sensitivity = max(distance(moved, other) for _, other in shaken)
    difference = distance(moved, compiled_moved)
    print(name, task, figures, compiled_figures)
    print(f"compiled, the weights move otherwise by {difference:.1e} of the step; after rounding by {sensitivity:.1e}")
    for key, value in figures.items():
        allowed = max(SAME * abs(value), 3 * max(abs(other[key] - value) for other, _ in shaken))
        assert abs(compiled_figures[key] - value) <= allowed, (key, value, compiled_figures[key])
    assert difference <= min(LARGEST, max(SMOOTH, 3 * sensitivity))
    check_graph(step.get_concrete_function(batch).graph.as_graph_def(add_shapes=True))
    # Colours compile too, and stay finite.
    model.compile(model.optimizer, color_augmentation=True)
    colored = tf.function(model.train_step, autograph=False, jit_compile=True)
    assert np.isfinite(float(colored(batch)["loss"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
