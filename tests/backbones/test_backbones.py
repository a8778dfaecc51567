"""Every row of the table of networks, and what is said of it."""

import keras
import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.backbones import BACKBONES
from keras_centernet.backbones.mobilenet import _copy_weights, _with_published_batch_norm
from keras_centernet.layers import BatchNormalization
from keras_centernet.network import build_network
from keras_centernet.tasks import COCO_CLASSES, TASKS

TASK = TASKS["detection"](COCO_CLASSES)


def all_layers(model):
    for layer in model.layers:
        yield from all_layers(layer) if isinstance(layer, keras.Model) else [layer]


@pytest.mark.parametrize("name", BACKBONES)
def test_maps_have_stride_four_and_published_normalisation(name):
    network = build_network(name, TASK)
    maps = network(np.zeros((1, 64, 96, 3), "float32"))
    assert maps["center_heatmap"].shape == (1, 16, 24, 80)
    norms = [layer for layer in all_layers(network) if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert all(isinstance(layer, BatchNormalization) for layer in norms)
    assert {(layer.momentum, layer.epsilon) for layer in norms} == {(0.9, 1e-5)}


def test_resnet18_plain_has_the_published_number_of_parameters():
    network = build_network("resnet18_plain", TASK)
    assert sum(v.size if hasattr(v, "size") else np.prod(v.shape) for v in network.trainable_variables) == 15_820_372


@pytest.mark.parametrize("name", ["mobilenet_v3_small_minimalistic", "mobilenet_v3_large_minimalistic"])
def test_minimalistic_forms_have_only_what_the_edge_tpu_takes(name):
    kinds = {type(layer).__name__ for layer in all_layers(build_network(name, TASK))}
    assert not kinds & {"GlobalAveragePooling2D", "Multiply", "Resizing", "UpSampling2D"}
    activations = {
        layer.activation.__name__ for layer in all_layers(build_network(name, TASK)) if hasattr(layer, "activation")
    }
    assert activations <= {"relu", "linear"}


def test_pretrained_outputs_survive_the_other_epsilon(rng):
    base = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(64, 64, 3), minimalistic=True, include_preprocessing=False
    )
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(rng.uniform(1e-4, 2, layer.moving_variance.shape))
    ours = keras.models.clone_model(base, clone_function=_with_published_batch_norm)
    _copy_weights(base, ours)
    image = rng.uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(ours(image, training=False), base(image, training=False), rtol=1e-3, atol=1e-4)


def test_a_machine_without_internet_is_told_so(monkeypatch):
    def no_download(weights=None, **options):
        raise OSError("URL fetch failure")

    monkeypatch.setattr(keras.applications, "MobileNetV2", no_download)
    with pytest.raises(UserError, match=r"could not be downloaded \(URL fetch failure\): connect this machine"):
        build_network("mobilenet_v2", TASK, "imagenet")


def test_resnet_says_that_it_has_no_pretrained_weights_yet():
    with pytest.raises(UserError, match="backbone_weights of resnet: expected None, got 'imagenet'"):
        build_network("resnet18_plain", TASK, "imagenet")
