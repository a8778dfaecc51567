"""The accuracy of 8 bits for a network whose weights and statistics are spread as after training."""

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet
from keras_centernet.exporting import TFLiteDetector
from keras_centernet.exporting.tflite.export import write_tflite
from keras_centernet.method.decode import decode
from keras_centernet.networks.blocks import conv_norm, separable_norm
from tests.exporting.conftest import INPUT_HW

# The lowest signal-to-noise ratio of each head in dB, over all cells of images without calibration. With ranges
# that cover all values, and a sum's range for its terms, it would be 11.7, 14.7 and 14.5.
LEAST = {"center_heatmap": 13.5, "size": 16.2, "offset": 16.2}
UNSEEN = slice(92, 100)


def bottlenecks(images):
    """A stride-4 map of residual blocks with linear sums, as in MobileNets: sums range wider than their terms."""
    x = conv_norm(images, 16, 3, stride=2, activation="relu6", conv="stem", norm="stem_bn")
    x = conv_norm(x, 16, 3, stride=2, activation=None, conv="reduce", norm="reduce_bn")
    for name in "abcdefgh":
        hidden = separable_norm(x, 32, f"{name}_hidden")
        added = conv_norm(hidden, 16, 1, activation=None, conv=f"{name}_project", norm=f"{name}_project_bn")
        x = keras.layers.Add(name=f"{name}_sum")([x, added])
    return x


@pytest.fixture(scope="module")
def model(drawn):
    """A detector with measured batch statistics and different scales and shifts per channel."""
    keras.utils.set_random_seed(5)
    model = CenterNet(bottlenecks, classes=("cat", "dog"), input_size=INPUT_HW)
    spread = np.random.default_rng(5)
    for layer in all_layers(model.network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # takes the statistics of one batch
            layer.gamma.assign(np.exp(spread.normal(0, 0.4, layer.gamma.shape)))
            layer.beta.assign(spread.normal(0, 0.4, layer.beta.shape))
    for head in model.task.heads:
        kernel = model.network.get_layer(head.name).kernel
        kernel.assign(spread.normal(0, 0.3, kernel.shape))
    model(drawn[:40], training=True)
    return model


def all_layers(network):
    """The layers of a network, including those of nested networks."""
    for layer in network.layers:
        yield from all_layers(layer) if isinstance(layer, keras.Model) else [layer]


@pytest.fixture(scope="module")
def raw(model, drawn, tmp_path_factory):
    """The int8 file of raw heads, calibrated on images with one outlier, noise of two values."""
    images = [*drawn[: UNSEEN.start], *drawn[: UNSEEN.stop - UNSEEN.start]]
    images[50] = 255 * np.random.default_rng(5).integers(0, 2, images[50].shape, np.uint8)
    path = tmp_path_factory.mktemp("int8") / "detector.tflite"
    write_tflite(model, path, "int8", images, raw_heads="int8")
    return path


def test_each_head_is_close_to_its_floats(model, raw, drawn):
    expected = {name: np.asarray(values) for name, values in model(drawn[UNSEEN], training=False).items()}
    detector = TFLiteDetector(raw)
    answers = [detector.run(image) for image in drawn[UNSEEN]]
    found = {name: np.concatenate([answer[name] for answer in answers]) for name in expected}
    ratios = {name: 10 * np.log10(expected[name].var() / np.var(found[name] - expected[name])) for name in expected}
    assert {name: ratio for name, ratio in ratios.items() if ratio < LEAST[name]} == {}


def test_ties_in_a_rounded_heatmap_are_broken_by_the_mean_around_each_cell(model, raw, drawn):
    """Otherwise adjacent cells of equal value would all count as peaks, so one object would be found repeatedly."""
    detector, counts = TFLiteDetector(raw, top_k=400), []
    for image in drawn[UNSEEN]:
        maps = detector.run(image)
        logits = maps["center_heatmap"]
        around = np.pad(logits, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
        parted = logits + (np.nanmean(windows, axis=(-1, -2)) - logits) / 512
        expected = decode(model.task, maps | {"center_heatmap": parted}, 400)["scores"][0]
        found = detector(image)["scores"]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        counts.append((np.sum(found > 0), np.sum(np.asarray(decode(model.task, maps, 400)["scores"]) > 0)))
    assert np.sum(counts, axis=0)[0] < np.sum(counts, axis=0)[1]
