"""ImageNet classifiers as the start of training."""

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError
from keras_centernet.weights.published import published_variables
from tests.helpers.published_weights import make_tensor, torch_shape
from tests.helpers.shapes_only import shapes_only
from tests.weights.test_published import write_safetensors

pytestmark = pytest.mark.usefixtures("release_models")


def classifier(name, prefix=""):
    """Tensors with the names of torchvision (ResNet) and of the authors of DLA (without "base.")."""
    with shapes_only():
        model = CenterNet(name, num_classes=2, input_size=64)
    lower = ("conv1.", "bn1.", "layer", "base.")
    return {
        n.removeprefix(prefix): make_tensor(2, n, torch_shape(variable))
        for n, variable in published_variables(model.network, model.task).items()
        if n.startswith(lower)
    } | {"fc.weight": np.zeros((10, 4), "float32"), "fc.bias": np.zeros(10, "float32")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "prefix", "first", "untouched"),
    [
        ("resnet18", "", "conv1", "deconv_layers.0"),
        pytest.param("resnet50_plain", "", "layer4.0.conv3", "deconv_layers.0", marks=pytest.mark.slow),
        pytest.param("dla34", "base.", "base.level5.root.conv", "ida_up.node_1.conv", marks=pytest.mark.slow),
        pytest.param("dla34_v0", "base.", "base.base_layer.0", "dla_up.ida_0.node_1.0", marks=pytest.mark.slow),
    ],
)
def test_the_backbones_lower_part_is_filled(tmp_path, name, prefix, first, untouched):
    tensors = classifier(name, prefix)
    path = write_safetensors(tmp_path / "imagenet.safetensors", tensors)
    model = CenterNet(name, num_classes=2, input_size=64, backbone_weights=path)
    kernel = tensors[first.removeprefix(prefix) + ".weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.network.get_layer(first).kernel, kernel)
    other = CenterNet(name, num_classes=2, input_size=64, backbone_weights=path)
    assert not np.array_equal(model.network.get_layer(untouched).kernel, other.network.get_layer(untouched).kernel)


@pytest.mark.slow
def test_a_missing_tensor_is_named(tmp_path):
    tensors = classifier("resnet18")
    del tensors["layer2.0.downsample.1.weight"]
    path = write_safetensors(tmp_path / "part.safetensors", tensors)
    with (
        shapes_only(),
        pytest.raises(UserError, match=r"expected a tensor layer2\.0\.downsample\.1\.weight of shape \(128,\)"),
    ):
        CenterNet("resnet18", num_classes=2, input_size=64, backbone_weights=path)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("resnet18", "imagenet", "None or the path of a PyTorch checkpoint of the classifier"),
        ("dla34", "imagenet", "None or the path of a PyTorch checkpoint of the classifier"),
        ("mobilenet_v2", "some.pth", "None or 'imagenet'"),
        ("hourglass52", "some.pth", r"None \(there is no classifier of that kind\)"),
    ],
)
def test_sources_that_a_network_does_not_take(name, source, expected):
    with shapes_only(), pytest.raises(UserError, match=f"backbone_weights of {name}: expected {expected}.*'{source}'"):
        CenterNet(name, num_classes=2, input_size=128, backbone_weights=source)
