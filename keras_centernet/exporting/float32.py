"""Exported files compute in float32, or are quantised from it, whatever the model was trained in."""

import keras

FLOAT32 = "float32"


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a model that computes in float32: the model itself, or a copy that has its weights.

    Weights are float32 in mixed precision too, so nothing is lost.

    Args:
        model: `CenterNet` of any dtype policy.
    """
    layers = [model, *model.network._flatten_layers(include_self=False)]
    if {layer.compute_dtype for layer in layers} == {FLOAT32}:
        return model
    copy = type(model).from_config(model.get_config() | {"dtype": FLOAT32})
    copy.network.set_weights(model.network.get_weights())
    return copy
