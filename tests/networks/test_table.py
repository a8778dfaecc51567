"""Every row of the table of networks: its maps, layers, costs and downloads."""

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, UserError
from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops, count_parameters
from keras_centernet.networks.layers import BatchNormalization
from keras_centernet.networks.light_path import light_path
from keras_centernet.networks.mobilenet import MOBILENET_V3_SMALL_MINIMALISTIC
from keras_centernet.networks.table import BACKBONES
from keras_centernet.tasks import COCO_CLASSES, TASKS
from tests.helpers.shapes_only import shapes_only

TASK = TASKS["detection"].build(COCO_CLASSES)


def built(name):
    """Returns a network of the table whose weights have shapes only."""
    with shapes_only():
        return build_network(name, TASK)


def all_layers(model):
    for layer in model.layers:
        yield from all_layers(layer) if isinstance(layer, keras.Model) else [layer]


@pytest.mark.parametrize("name", BACKBONES)
def test_maps_have_stride_four_published_normalisation_and_the_costs_of_the_row(name):
    with shapes_only():
        network = build_network(name, TASK, input_hw=(256, 1024))  # as many pixels as 512x512
    stacks = network.output if isinstance(network.output, list) else [network.output]
    for maps in stacks:
        assert maps["center_heatmap"].shape == (None, 64, 256, 80)
        assert maps["size"].shape == (None, 64, 256, 2)
    norms = [layer for layer in all_layers(network) if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert all(isinstance(layer, BatchNormalization) for layer in norms)
    assert {(layer.momentum, layer.epsilon) for layer in norms} == {(0.9, 1e-5)}
    assert (count_parameters(network), round(count_flops(network) / 1e9, 1)) == (
        BACKBONES[name].parameters,
        BACKBONES[name].gflop,
    )


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match="Unknown backbone: expected one of dla34, dla34_v0, dla34_plain, hourglass104"):
        CenterNet("dla60")


def test_plain_siblings_have_no_deformable_convolution():
    for name, row in BACKBONES.items():
        if row.deformable:
            assert not BACKBONES[f"{name}_plain"].deformable
    kinds = {type(layer).__name__ for layer in all_layers(built("dla34_plain"))}
    assert "DeformableConv2D" not in kinds
    kinds = {type(layer).__name__ for layer in all_layers(built("dla34"))}
    assert "DeformableConv2D" in kinds


def test_an_hourglass_has_heads_after_every_stack():
    network = built("hourglass104")
    assert len(network.output) == 2
    assert network.get_layer("stack0_size") is not network.get_layer("size")


@pytest.mark.parametrize("name", [name for name, row in BACKBONES.items() if row.edge_tpu_side])
def test_networks_for_the_edge_tpu_have_only_what_it_takes(name):
    layers = list(all_layers(built(name)))
    kinds = {type(layer).__name__ for layer in layers}
    assert not kinds & {"GlobalAveragePooling2D", "Multiply", "Resizing", "UpSampling2D"}
    activations = {layer.activation.__name__ for layer in layers if hasattr(layer, "activation")}
    assert activations <= {"relu", "relu6", "linear"}


def test_pretrained_outputs_survive_the_other_epsilon(rng, monkeypatch):
    real, made = keras.applications.MobileNetV3Small, []

    def instead_of_download(weights=None, **options):
        base = real(weights=None, **options)
        for layer in base.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_variance.assign(rng.uniform(1e-4, 2, layer.moving_variance.shape))
        made.append(base)
        return base

    monkeypatch.setattr(keras.applications, "MobileNetV3Small", instead_of_download)
    ours = build_network("mobilenet_v3_small_minimalistic", TASK)
    MOBILENET_V3_SMALL_MINIMALISTIC.load_imagenet(ours)
    taps = [made[-1].get_layer(name).output for name in MOBILENET_V3_SMALL_MINIMALISTIC.taps]
    image = rng.uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    expected = keras.Model(made[-1].inputs, taps)([image], training=False)
    for one, other in zip(ours.get_layer("backbone")([image], training=False), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_machine_without_internet_is_told_so(monkeypatch):
    real = keras.applications.MobileNetV2

    def no_download(weights=None, **options):
        if weights:
            raise OSError("URL fetch failure")
        return real(weights=None, **options)

    monkeypatch.setattr(keras.applications, "MobileNetV2", no_download)
    with pytest.raises(UserError, match=r"could not be downloaded \(URL fetch failure\): connect this machine"):
        CenterNet("mobilenet_v2", num_classes=2, input_size=64, backbone_weights="imagenet")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), [("mobilenet_v2", 32), ("mobile_small", 16)])
def test_downloaded_weights_reach_the_network(name, width, monkeypatch):
    real = keras.applications.MobileNetV2

    def instead_of_download(weights=None, **options):
        base = real(weights=None, **options)
        if weights:
            base.get_layer("Conv1").kernel.assign(keras.ops.full((3, 3, 3, width), 0.25))
        return base

    monkeypatch.setattr(keras.applications, "MobileNetV2", instead_of_download)
    model = CenterNet(name, num_classes=2, input_size=64, backbone_weights="imagenet")
    np.testing.assert_array_equal(model.network.get_layer("backbone").get_layer("Conv1").kernel, 0.25)


def test_the_mobile_family_costs_more_from_size_to_size():
    costs = [built(f"mobile_{size}").count_params() for size in ("nano", "small", "medium")]
    assert costs == sorted(costs)
    assert costs[-1] < built("mobilenet_v2").count_params()


def test_the_light_path_joins_taps_as_numpy_does(rng):
    taps = [rng.random((1, side, side, 3)).astype("float32") for side in (2, 4)]
    inputs = [keras.Input(tap.shape[1:]) for tap in taps]
    network = keras.Model(inputs, light_path(inputs, (5,)))
    layer, still = network.get_layer, {"training": False}
    coarse = layer("up1_reduce_bn")(taps[0] @ np.asarray(layer("up1_reduce").kernel)[0, 0], **still)
    kernel = np.asarray(layer("up1_deconv").kernel)  # (2, 2, out, in): each cell becomes four
    cells = np.einsum("byxi,hwoi->byhxwo", np.clip(coarse, 0, 6), kernel).reshape(1, 4, 4, 5)
    lateral = layer("up1_lateral_bn")(taps[1] @ np.asarray(layer("up1_lateral").kernel)[0, 0], **still)
    total = np.clip(np.asarray(layer("up1_deconv_bn")(cells, **still)) + np.asarray(lateral), 0, 6)
    padded, depthwise = (
        np.pad(total, ((0, 0), (1, 1), (1, 1), (0, 0))),
        np.asarray(layer("up1_settle_depthwise").kernel),
    )
    spread = sum(padded[:, y : y + 4, x : x + 4] * depthwise[y, x, :, 0] for y in range(3) for x in range(3))
    spread = np.asarray(layer("up1_settle_depthwise_bn")(spread, **still))
    expected = layer("up1_settle_pointwise_bn")(
        spread @ np.asarray(layer("up1_settle_pointwise").kernel)[0, 0], **still
    )
    np.testing.assert_allclose(network(taps), np.clip(expected, 0, 6), atol=1e-5)
