"""Freezing: frozen layers keep weights and statistics, all others learn, also in a loaded model."""

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, load_model
from keras_centernet.fitting.layer_selection import (
    backbone_paths,
    freeze,
    last_layer_paths,
    sampling_paths,
    select_layers,
)
from keras_centernet.networks.blocks import conv_norm
from tests.helpers.shapes_only import shapes_only


def values(variables):
    return [np.asarray(variable) for variable in variables]


@pytest.fixture(scope="module")
def resnet():
    with shapes_only():
        return CenterNet("resnet18_plain", num_classes=2, input_size=64)


@pytest.fixture(scope="module")
def mobile():
    """A model whose backbone is a nested Keras model."""
    with shapes_only():
        return CenterNet("mobilenet_v3_small_minimalistic", num_classes=2, input_size=64)


@pytest.fixture
def nested(tiny_model):
    """A small network with a nested Keras model."""
    images = keras.Input((None, None, 3))
    x = conv_norm(images, 8, 3, stride=2, conv="conv1", norm="bn1")
    x = conv_norm(x, 8, 3, stride=2, conv="conv2", norm="bn2")
    return tiny_model(keras.Model(images, x, name="backbone"))


def test_the_backbone_is_the_part_that_imagenet_weights_fill(resnet, mobile):
    names = {
        layer.name
        for layer in select_layers(resnet.network, ["backbone"], resnet.backbone_row.backbone_layers)
        if layer.weights
    }
    assert {"conv1", "bn1", "layer1.0.conv1", "layer4.1.bn2"} <= names
    assert not any(name.startswith(("deconv", "center", "size", "offset")) for name in names)
    chosen = select_layers(mobile.network, ["backbone"], mobile.backbone_row.backbone_layers)
    assert [layer.name for layer in chosen] == ["backbone"]


def test_an_own_backbone_is_the_nested_model_whatever_layers_begin_with_its_name(tiny_model):
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, strides=4, padding="same")(images)
    model = tiny_model(keras.Model(images, x, name="center"))
    chosen = select_layers(model.network, ["backbone"], model.backbone_row.backbone_layers)
    assert [layer.name for layer in chosen] == ["center"]
    assert "center_heatmap" in [layer.name for layer in model.network.layers]


def test_patterns_find_layers_also_inside_nested_models(resnet, mobile):
    assert {layer.name for layer in select_layers(resnet.network, ["size*", "off?et"], ())} == {
        "size",
        "size_hidden",
        "offset",
    }
    assert len(select_layers(mobile.network, ["expanded_conv_1_*"], ())) > 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            ["nothing*"],
            r"freeze: expected a pattern of layers of resnet18_plain \(conv1, bn1, .*\), got 'nothing\*'",
        ),
        (["*"], r"freeze: expected a selection that leaves something to train, got all of it: \*"),
    ],
)
def test_bad_parts(resnet, parts, message):
    with pytest.raises(UserError, match=message):
        freeze(resnet.network, parts, ())
    freeze(resnet.network, [], ())
    assert len(resnet.network.trainable_variables) > 50


def test_a_network_without_imagenet_weights_says_so():
    with shapes_only():
        model = CenterNet("hourglass52", num_classes=2, input_size=128)
    with pytest.raises(UserError, match="hourglass52 has no layers that ImageNet weights fill; select its layers"):
        select_layers(model.network, ["backbone"], model.backbone_row.backbone_layers)


@pytest.mark.slow
def test_frozen_layers_keep_weights_and_statistics_also_in_a_loaded_model(nested, batch, tmp_path):
    model = nested
    model.compile("adam", freeze="backbone")
    frozen = model.network.get_layer("backbone")
    ids = {id(variable) for variable in frozen.variables}
    others = [variable for variable in model.network.variables if id(variable) not in ids]
    assert len(model.optimizer.variables) < 2 * len(model.network.trainable_variables) + 5
    before, before_others = values(frozen.variables), values(others)
    model.train_on_batch(*batch)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    loaded.train_on_batch(*batch)
    frozen_again = loaded.network.get_layer("backbone")
    for old, new, newer in zip(before, values(frozen.variables), values(frozen_again.variables), strict=True):
        np.testing.assert_array_equal(old, new)
        np.testing.assert_array_equal(old, newer)
    changed = [(old != new).any() for old, new in zip(before_others, values(others), strict=True)]
    assert np.mean(changed) > 0.9
    assert int(loaded.optimizer.iterations) == 2


def test_paths_of_the_backbone_are_those_of_its_variables(nested):
    model = nested
    paths = backbone_paths(model.network, model.backbone_row.backbone_layers)
    assert len(paths) == len(model.network.get_layer("backbone").trainable_variables)
    assert set(paths) < {variable.path for variable in model.trainable_variables}


def test_a_head_has_one_last_layer_in_each_stack(resnet):
    assert last_layer_paths(resnet.network, "size") == ("size/kernel", "size/bias")
    with shapes_only():
        stacked = CenterNet("hourglass104", num_classes=2, input_size=128)
    stacks = len(stacked.network.output)
    assert stacks > 1
    names = ["size", *(f"stack{i}_size" for i in range(stacks - 1))]
    expected = {f"{name}/{kind}" for name in names for kind in ("kernel", "bias")}
    assert set(last_layer_paths(stacked.network, "size")) == expected


def test_paths_of_sampling_points_are_those_of_deformable_convolutions(resnet):
    assert sampling_paths(resnet.network) == ()
    with shapes_only():
        network = CenterNet("resnet18", num_classes=2, input_size=64).network
    ups = [f"deconv_layers.{i}" for i in (0, 6, 12)]
    assert sampling_paths(network) == tuple(f"{up}/offset_{kind}" for up in ups for kind in ("kernel", "bias"))
