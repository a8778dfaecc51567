"""Heads: one map per spec, whatever the specs are."""

import keras
import numpy as np

from keras_centernet.method import losses
from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.networks.heads import build_heads


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
