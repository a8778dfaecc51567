"""Checks without a TPU that the training step and the detection of a network lower for one.

They must lower with static shapes and contain nothing that a TPU lacks. Prints their cost per image as JSON. Run in a
process of its own:

    KERAS_BACKEND=jax python tests/helpers/tpu_lowering.py NAME [TASK [HEIGHTxWIDTH]]
"""

import collections
import json
import re
import sys

import jax
import jax.export
import numpy as np

from benchmarks.step_cost import cost, detection_of, model_of_shapes, shapes_of, state_of
from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops
from tests.helpers import step_cases

BATCH, SLOTS = 8, 128  # images, and objects that each has room for
SIDES = {"mobilenet_v2": "320x320"}
USUAL_SIDE = "512x512"
# Custom calls that XLA's compiler for TPUs accepts. The first three are annotations that its partitioner removes, the
# fourth is removed if shapes are static, and the others are StableHLO's forms of a top-K, which becomes a sort there.
# All other custom calls (cuDNN's, LAPACK's, Triton's, calls of Python) name functions of other machines.
ON_TPU = {"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "shape_assertion", "mhlo.topk", "TopK"}
CALLS_TO_THE_HOST = re.compile(r"stablehlo\.(?:infeed|outfeed|send|recv)\b|callback")
CUSTOM_CALL = re.compile(r"stablehlo\.custom_call\s+@\"?([\w.$]+)")
OPEN_SHAPE = re.compile(r"tensor<[^>]*\?")
CONVOLUTION = re.compile(r"stablehlo\.convolution.* : \(tensor<[\dx]+x(\w+)>, tensor<[\dx]+x(\w+)>\)")


def batch_shapes(input_hw: tuple[int, int]) -> tuple:
    """Returns the shapes of (images, objects), with the fields of objects that all tasks need."""
    _, objects = step_cases.batch("detection", BATCH)
    objects = {key: np.resize(values, (BATCH, SLOTS, *values.shape[2:])) for key, values in objects.items()}
    return jax.ShapeDtypeStruct((BATCH, *input_hw, 3), "uint8"), shapes_of(objects)


def lower_for_tpu(function, *arguments) -> str:
    """Returns the StableHLO text of a jitted function, which `jax.export` has accepted as portable."""
    return jax.export.export(function, platforms=["tpu"])(*arguments).mlir_module()


def check(text: str, in_float32: int) -> None:
    """Checks that the text is a program for a TPU: static shapes, no function of another machine, bfloat16.

    At most `in_float32` convolutions are in float32: those of the heads' last layers, and their gradients.
    """
    assert text.count("stablehlo.") > 100
    assert not set(CUSTOM_CALL.findall(text)) - ON_TPU, set(CUSTOM_CALL.findall(text)) - ON_TPU
    assert not CALLS_TO_THE_HOST.search(text)
    assert not OPEN_SHAPE.search(text)
    assert not re.search(r"tensor<[\dx]*f64>", text)  # a TPU has none
    precisions = collections.Counter(CONVOLUTION.findall(text))
    assert precisions.pop(("f32", "f32")) <= in_float32
    assert set(precisions) == {("bf16", "bf16")}, precisions


def main(name: str, task: str = "detection", size: str = "") -> None:
    """Builds a model of shapes, lowers its steps, checks them and prints their costs."""
    step_cases.add_two_stacks()
    height, width = (int(side) for side in (size or SIDES.get(name, USUAL_SIDE)).split("x"))
    model = model_of_shapes(name, task, input_size=(height, width), dtype="mixed_bfloat16", average_decay=0.9998)
    state, data = shapes_of(state_of(model)), batch_shapes((height, width))
    training = lower_for_tpu(jax.jit(model.train_step, donate_argnums=0), state, data)
    check(training, 3 * len(model.network.outputs))
    assert training.count("tf.aliasing_output") == len(jax.tree.leaves(state))  # each variable is updated in place
    detect, values = detection_of(model), shapes_of(model.variables)
    check(lower_for_tpu(jax.jit(detect), values, data[0]), len(model.network.outputs))

    networks = []
    jax.eval_shape(lambda: networks.append(build_network(name, model.task, (height, width))))
    counted = {"detecting": cost(detect, values, data[0]), "training": cost(model.train_step, state, data)}
    figures = {"size": f"{height}x{width}", "convolutions GFLOP": count_flops(networks[0]) / 1e9}
    for what, (operations, accessed) in counted.items():
        figures |= {f"{what} GFLOP": operations / BATCH / 1e9, f"{what} GB": accessed / BATCH / 1e9}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
