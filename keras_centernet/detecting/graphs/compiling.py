"""Compiles functions of tensors that use a model's weights, for the current backend."""

import gc
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_centernet.detecting.graphs.freezing import CannotFreeze, Frozen
from keras_centernet.networks.layers.deformable import without_xla

# After so many calls a graph of one shape is rebuilt with its weights as constants, which takes a second or two.
FREEZE_AFTER = 32


def compile_function(
    model: keras.Model, function: Callable, shape: tuple | None = None, dtype=None, freeze: bool = True
) -> Callable:
    """Returns a function that computes the same, faster and without gradients.

    On TensorFlow, a function with a `shape` without None is frozen after `FREEZE_AFTER` calls (see `freezing`): from
    then on its results can differ by rounding, 1e-6 of a map's largest number.

    Args:
        model: whose weights `function` uses; the compiled function sees later changes of them.
        function: of one tensor, or of a structure of them.
        shape: of the tensor, in which None stands for any size; None: any shape.
        dtype: of the tensor.
        freeze: False: it is never frozen, so that the same input always gives the same bits.
    """
    return COMPILERS[keras.backend.backend()](model, function, shape, dtype, freeze)


def to_arrays(outputs: dict) -> dict[str, np.ndarray]:
    """Returns the outputs of a compiled function as NumPy arrays; waits for the device."""
    return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def _compile_for_tensorflow(model, function: Callable, shape: tuple | None, dtype, freeze: bool) -> Callable:
    import tensorflow as tf

    graph = tf.function(function, autograph=False, input_signature=shape and [tf.TensorSpec(shape, dtype)])
    if shape and None in shape:
        with without_xla():  # XLA would compile every new shape
            graph.get_concrete_function()
        return graph
    return _Freezing(graph, tf.executing_eagerly) if shape and freeze else graph


class _Freezing:
    """A graph that gets its weights as constants after `FREEZE_AFTER` calls; a few single photos do not pay for it.

    When a weight changes, the constants are dropped at once, and it takes twice as many calls until new ones are made.
    """

    def __init__(self, graph, is_eager: Callable[[], bool]):
        self._graph, self._is_eager, self._frozen = graph, is_eager, None
        self._calls, self._patience = 0, FREEZE_AFTER

    def __call__(self, images):
        if not self._is_eager():  # called while another graph is traced
            return self._graph(images)
        frozen = self._frozen
        if frozen is not None and not frozen.is_current():
            frozen = self._frozen = None
            gc.collect()  # graphs are reference cycles that hold ten times the memory of their weights
            self._calls, self._patience = 0, 2 * self._patience
        if frozen is None and self._calls >= self._patience:
            frozen = self._freeze()
        self._calls += 1
        return (frozen or self._graph)(images)

    def _freeze(self) -> Frozen | None:
        try:
            self._frozen = Frozen(self._graph.get_concrete_function())
        except CannotFreeze:
            self._patience = math.inf
        return self._frozen

    @property
    def is_frozen(self) -> bool:
        """Whether it has constants, current or outdated."""
        return self._frozen is not None

    def experimental_get_tracing_count(self) -> int:
        """Returns how often the graph was traced, as the method of `tf.function` does."""
        return self._graph.experimental_get_tracing_count()


def _compile_for_jax(model, function: Callable, *_) -> Callable:
    """Passes the weights as arguments: compiled code would hold captured ones as constants. Each shape is compiled."""
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
    """Returns the copy of a replicated array on the first device of this process; needs no other process."""
    return value if len(value.sharding.device_set) == 1 else value.addressable_data(0)


def _compile_for_torch(model, function: Callable, *_) -> Callable:
    """Only turns gradients off: Keras runs PyTorch one operation after the other."""
    import torch

    return torch.no_grad()(function)


COMPILERS = {"tensorflow": _compile_for_tensorflow, "jax": _compile_for_jax, "torch": _compile_for_torch}
