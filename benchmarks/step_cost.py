"""What training and detecting cost by XLA's own count, on JAX, without computing or compiling anything.

The count needs only shapes: `model_of_shapes` builds a network of any size in seconds and without its memory.
"""

import functools
from collections.abc import Callable
from unittest import mock

import jax
import keras

from keras_centernet import CenterNet
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode


def model_of_shapes(*arguments, average_decay: float | None = None, **options) -> CenterNet:
    """Returns a compiled `CenterNet` of the arguments, whose variables have shapes and dtypes but no values."""
    built = []

    def build():
        model = CenterNet(*arguments, **options)
        model.compile(average_decay=average_decay)
        built.append(model)

    jax.eval_shape(build)
    return built[0]


def shapes_of(values):
    """Returns a structure of variables or arrays with a `jax.ShapeDtypeStruct` in place of each."""
    return jax.tree.map(lambda value: jax.ShapeDtypeStruct(value.shape, value.dtype), values)


def state_of(model: CenterNet) -> tuple:
    """Returns the values of all variables as Keras hands them to the training step on JAX."""
    names = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    return model._get_jax_state(**dict.fromkeys(names, True))


def detection_of(model: CenterNet, top_k: int = 100) -> Callable:
    """Returns a function of (values of all variables, images) -> what `model.detect_batch(images)` returns."""

    def detect(values, images):
        with keras.StatelessScope(list(zip(model.variables, values, strict=True))):
            return to_input_frame(decode(model.task, model(images, training=False), top_k))

    return detect


def cost(function: Callable, *arguments) -> tuple[float, float]:
    """Returns (floating-point operations, bytes accessed) of a function of arrays, given the arrays or their shapes.

    The bytes are what all operations read and write before any are fused: an upper bound.
    """

    def unrolled(start, stop, body, values):
        return functools.reduce(lambda values, i: body(i, values), range(start, stop), values)

    # XLA counts the body of a loop once, however often it runs, so the taps of deformable convolutions are unrolled.
    with mock.patch.object(keras.ops, "fori_loop", unrolled):
        found = jax.jit(lambda *values: function(*values)).lower(*arguments).cost_analysis()
    return found["flops"], found["bytes accessed"]
