"""Heads: one map per spec, whatever the specs are."""

import keras
import numpy as np
import pytest

from keras_centernet.method import losses
from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.networks.blocks import dense_norm, separable_norm
from keras_centernet.networks.heads import build_heads, build_shared_heads


def test_every_spec_becomes_a_map_that_starts_at_its_bias():
    specs = (
        HeadSpec("center_heatmap", 3, "everywhere", None, losses.penalty_reduced_focal, bias=-2.19),
        HeadSpec("temperature", 1, "centers", None, losses.masked_l1, bias=20.0),
    )
    features = keras.Input((None, None, 8))
    network = keras.Model(features, build_heads(features, Task("weather", ("a", "b", "c"), specs, None), 16))
    maps = network(np.zeros((2, 5, 7, 8), "float32"))
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "center_heatmap": (2, 5, 7, 3),
        "temperature": (2, 5, 7, 1),
    }
    np.testing.assert_allclose(maps["center_heatmap"], -2.19, rtol=1e-6)
    np.testing.assert_allclose(maps["temperature"], 20.0)


def test_maps_are_float32_in_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        features = keras.Input((4, 4, 8))
        task = Task("t", ("a",), (HeadSpec("size", 2, "centers", None, losses.masked_l1),), None)
        network = keras.Model(features, build_heads(features, task, 8))
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.get_layer("size_hidden").compute_dtype == "bfloat16"
    assert network.output["size"].dtype == "float32"


@pytest.mark.parametrize("hide", [separable_norm, dense_norm])
def test_shared_heads_read_one_hidden_map(hide, rng):
    specs = (
        HeadSpec("center_heatmap", 3, "everywhere", None, losses.penalty_reduced_focal, bias=-2.19),
        HeadSpec("size", 2, "centers", None, losses.masked_l1, bias=8.0),
    )
    features = keras.Input((None, None, 8))
    maps = build_shared_heads(features, Task("weather", ("a", "b", "c"), specs, None), 16, "stack0_", hide)
    network = keras.Model(features, maps)
    image = rng.normal(size=(2, 5, 7, 8)).astype("float32")
    found = network(image)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "center_heatmap": (2, 5, 7, 3),
        "size": (2, 5, 7, 2),
    }
    hidden = {layer.input for layer in network.layers if layer.name in ("stack0_center_heatmap", "stack0_size")}
    assert len(hidden) == 1
    values = np.asarray(keras.Model(features, hidden.pop())(image))
    assert values.shape[-1] == 16
    assert 0 <= values.min() < values.max() <= 6
    last = network.get_layer("stack0_size")
    np.testing.assert_allclose(found["size"], values @ np.asarray(last.kernel)[0, 0] + 8, atol=1e-4)
