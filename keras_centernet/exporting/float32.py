"""Exported files compute in float32, or are quantised from it, whatever the model was trained in."""

import contextlib
from collections.abc import Iterator

import keras

FLOAT32 = "float32"


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[keras.Model]:
    """Returns a context with a model that computes in float32: the model itself, or a copy that has its weights.

    Weights are float32 in mixed precision too, so nothing is lost.

    Args:
        model: `CenterNet` of any dtype policy.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(FLOAT32)
    try:
        yield model if _dtypes(model) | {policy.compute_dtype} == {FLOAT32} else _copy(model)
    finally:
        keras.config.set_dtype_policy(policy)


def _dtypes(model) -> set[str]:
    return {layer.compute_dtype for layer in model.network._flatten_layers(include_self=False)}


def _copy(model) -> keras.Model:
    copy = type(model).from_config(model.get_config() | {"dtype": FLOAT32})
    copy.network.set_weights(model.network.get_weights())
    return copy
