"""Functions of tensors that use a model's weights, compiled as the backend does it."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_centernet.networks.layers.deformable import without_xla


def compile_function(model: keras.Model, function: Callable, shape: tuple | None = None, dtype=None) -> Callable:
    """Returns a function that computes the same, faster and without gradients.

    Args:
        model: whose weights `function` uses; later changes of them count.
        function: of one tensor, or of a structure of them.
        shape: of the tensor, None in it: any; None: whatever comes.
        dtype: of the tensor.
    """
    return COMPILERS[keras.backend.backend()](model, function, shape, dtype)


def to_arrays(outputs: dict) -> dict[str, np.ndarray]:
    """Returns the outputs of a compiled function as NumPy arrays; waits for the device."""
    return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def _compile_for_tensorflow(model, function: Callable, shape: tuple | None, dtype) -> Callable:
    import tensorflow as tf

    graph = tf.function(function, autograph=False, input_signature=shape and [tf.TensorSpec(shape, dtype)])
    if shape and None in shape:
        with without_xla():  # XLA would compile each shape that comes
            graph.get_concrete_function()
    return graph


def _compile_for_jax(model, function: Callable, *_) -> Callable:
    """A function of the weights, too: what is compiled would hold them as constants. Each shape is compiled."""
    import jax

    variables = model.variables

    @jax.jit
    def compiled(values, inputs):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(inputs)

    def run(inputs):
        values = [_on_one_device(variable.value) for variable in variables]
        return compiled(values, jax.tree.map(ops.convert_to_tensor, inputs))

    return run


def _on_one_device(value):
    """Returns the copy of a replicated array on the first device of this process, without asking other processes."""
    return value if len(value.sharding.device_set) == 1 else value.addressable_data(0)


def _compile_for_torch(model, function: Callable, *_) -> Callable:
    """The function as it is: Keras runs PyTorch one operation after the other."""
    import torch

    return torch.no_grad()(function)


COMPILERS = {"tensorflow": _compile_for_tensorflow, "jax": _compile_for_jax, "torch": _compile_for_torch}
