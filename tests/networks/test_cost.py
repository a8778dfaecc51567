"""The networks' arithmetic cost, compared with figures measured on the published implementation."""

import numpy as np
import pytest

from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops, count_parameters
from keras_centernet.networks.table import BACKBONES
from keras_centernet.tasks import COCO_CLASSES, TASKS
from tests.helpers.shapes_only import shapes_only

TASK = TASKS["detection"].build(COCO_CLASSES)


@pytest.mark.parametrize(
    ("name", "giga_multiply_adds"),
    [
        ("resnet18", 13.3),
        ("resnet101", 45.6),
        ("resnet18_plain", 22.7),
        ("resnet101_plain", 55.6),
        ("dla34", 33.03),  # published: 33.10, including two unused projections
        ("hourglass104", 292.7),
    ],
)
def test_multiply_adds_at_512_pixels(name, giga_multiply_adds):
    with shapes_only():
        network = build_network(name, TASK, input_hw=(512, 512))
    assert count_flops(network) / 2e9 == pytest.approx(giga_multiply_adds, abs=0.06)


def test_nested_networks_count_too():
    with shapes_only():
        network = build_network("mobilenet_v2", TASK, input_hw=(512, 512))
    # keras.applications' MobileNetV2 without its top has 300 million multiply-adds at 224 pixels.
    assert count_flops(network) / 2e9 > 0.300 * (512 / 224) ** 2
    assert count_parameters(network) == sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_frozen_parameters_count_and_running_statistics_do_not():
    with shapes_only():
        network = build_network("resnet18", TASK, input_hw=(64, 64))
    statistics = [v for v in network.weights if v.path.endswith(("moving_mean", "moving_variance"))]
    count = count_parameters(network)
    assert count == BACKBONES["resnet18"].parameters
    assert count == network.count_params() - sum(int(np.prod(v.shape)) for v in statistics)
    for layer in network.layers[: len(network.layers) // 2]:
        layer.trainable = False
    assert sum(int(np.prod(v.shape)) for v in network.trainable_variables) < count
    assert count_parameters(network) == count
