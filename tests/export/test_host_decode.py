"""The NumPy decoding that users copy, compared with `detect_batch` for every task."""

import ast
import dataclasses
import importlib.util
import pathlib

import numpy as np
import pytest

from keras_centernet.exporting import TFLiteDetector
from keras_centernet.method.decode import decode

FILE = pathlib.Path(__file__).parents[2] / "export" / "python" / "host_decode.py"
spec = importlib.util.spec_from_file_location("host_decode", FILE)
host_decode = importlib.util.module_from_spec(spec)
spec.loader.exec_module(host_decode)
decode_maps = host_decode.decode_maps


@pytest.fixture(scope="module")
def model(model_of_task):
    return model_of_task


def maps_of(model, images):
    return {name: np.asarray(values) for name, values in model(images, training=False).items()}


@pytest.mark.parametrize("top_k", [1, 20, 384])
def test_equals_detect_batch(model, rng, top_k):
    images = rng.integers(0, 256, (2, 64, 96, 3), np.uint8)
    expected = {key: np.asarray(value) for key, value in model.detect_batch(images, top_k=top_k).items()}
    for i in range(2):
        found = decode_maps({name: values[i] for name, values in maps_of(model, images).items()}, top_k)
        assert found.keys() == expected.keys()
        for key, value in found.items():
            np.testing.assert_allclose(value, expected[key][i], rtol=1e-4, atol=1e-3, err_msg=key)


@pytest.mark.parametrize("nms", [0.1, 0.5])
def test_drops_the_duplicates_that_the_graph_drops(model, rng, nms):
    maps = maps_of(model, rng.integers(0, 256, (1, 64, 96, 3), np.uint8))
    expected = decode(dataclasses.replace(model.task, nms=nms), maps, 100)
    found = decode_maps(maps, 100, nms=nms)
    kept = len(found["scores"])
    assert kept == np.count_nonzero(np.asarray(expected["scores"]) >= 0) < 100
    np.testing.assert_allclose(found["scores"], expected["scores"][0, :kept], rtol=1e-4)
    np.testing.assert_allclose(found["boxes_xyxy"], 4 * np.asarray(expected["boxes_xyxy"])[0, :kept], atol=1e-3)


def test_equal_scores_keep_the_order_of_the_graph(model):
    """Half of the cells have the same logit. The first of them win, as in TOPK_V2."""
    maps = maps_of(model, np.zeros((1, 64, 96, 3), np.uint8))
    heatmap = np.round(maps["center_heatmap"] * 0) + np.arange(16)[None, :, None, None] % 2
    maps["center_heatmap"] = heatmap.astype(np.float32)
    expected = decode(model.task, maps, 50)
    found = decode_maps(maps, 50)
    np.testing.assert_array_equal(found["classes"], expected["classes"][0])
    np.testing.assert_allclose(found["boxes_xyxy"], 4 * np.asarray(expected["boxes_xyxy"])[0], atol=1e-3)


def test_the_file_needs_numpy_only():
    tree = ast.parse(FILE.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {name.name for node in imports for name in node.names} == {"math", "numpy"}


def test_a_raw_file_with_the_host_detects_what_the_whole_file_does(export_once, drawn):
    raw, whole = TFLiteDetector(export_once("int8", True)[1]), TFLiteDetector(export_once("int8")[1])
    for image in drawn[:3]:
        expected, found = whole(image), decode_maps(raw.run(image), 20, rounded=True)
        np.testing.assert_array_equal(found["classes"], expected["classes"])
        np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-5)
        clipped = np.clip(found["boxes_xyxy"], 0, [96, 64, 96, 64])
        np.testing.assert_allclose(clipped, expected["boxes_xyxy"], atol=1e-3)
