"""The ONNX file in ONNX Runtime, compared with `model.detect`."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest

import keras_centernet
from keras_centernet import UserError
from keras_centernet.exporting import FORMATS, agreement, export_onnx, verify
from tests.helpers.step_cases import DEFORMABLE, add_two_stacks

TOP_K = 12
MORE = {
    "detection": {},
    "detection_3d": {
        "points_xy": ["batch", TOP_K, 2],
        "depths": ["batch", TOP_K],
        "dimensions_hwl": ["batch", TOP_K, 3],
        "alphas": ["batch", TOP_K],
    },
    "pose": {"keypoints_xy": ["batch", TOP_K, 17, 2], "keypoint_scores": ["batch", TOP_K, 17]},
}
is_installed = all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnx", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not is_installed, reason="needs keras_centernet[onnx]")


@pytest.fixture(scope="module")
def exported(model_of_task, tmp_path_factory):
    return model_of_task, export_onnx(model_of_task, tmp_path_factory.mktemp("onnx") / "model.onnx", top_k=TOP_K)


@pytest.mark.slow
@needs_onnx
def test_the_file_says_what_it_takes_and_gives(exported):
    import onnxruntime

    model, path = exported
    session = onnxruntime.InferenceSession(path)
    (images,) = session.get_inputs()
    assert (images.name, images.shape, images.type) == ("images", ["batch", 64, 96, 3], "tensor(uint8)")
    shapes = {output.name: output.shape for output in session.get_outputs()}
    boxes = {"boxes_xyxy": ["batch", TOP_K, 4], "scores": ["batch", TOP_K], "classes": ["batch", TOP_K]}
    assert shapes == boxes | MORE[model.task.name]
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == ["cat", "dög"]
    assert (facts["keras_centernet"], facts["task"]) == (keras_centernet.__version__, model.task.name)
    assert json.loads(facts["input_hw"]) == [64, 96]
    assert facts["boxes"] == "boxes_xyxy: left, top, right, bottom in pixels of the letterboxed input"


@needs_onnx
@pytest.mark.parametrize("batch", [1, 3])
def test_equals_detect_batch(exported, rng, batch):
    import onnxruntime

    model, path = exported
    inputs = rng.integers(0, 256, (batch, 64, 96, 3), np.uint8)
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"images": inputs}), strict=True))
    expected = model.detect_batch(inputs, TOP_K)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-3, err_msg=key)


@needs_onnx
def test_verifying_measures_the_difference(exported, images):
    model, path = exported
    report = verify(model, path, images)
    assert report["agreement"]["images"] == len(images)
    assert report["agreement"]["detections"] > len(images) * TOP_K / 2
    assert report["agreement"]["box_pixels"] < 0.01
    assert report["agreement"]["same_classes"]
    assert report["size_bytes"] == path.stat().st_size
    assert report["latency_ms"] > 0


@needs_onnx
@pytest.mark.slow  # tf2onnx is slow with nine passes per layer
@pytest.mark.parametrize("network", [DEFORMABLE, pytest.param("resnet18", marks=pytest.mark.exhaustive)])
def test_deformable_convolutions_can_be_exported_too(network, tiny_model, tmp_path):
    add_two_stacks()
    export_onnx(tiny_model(network), tmp_path / "model.onnx", top_k=TOP_K)  # the export compares the file
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.slow
@needs_onnx
def test_a_file_that_finds_something_else_is_not_written(tiny_model, tmp_path, monkeypatch):
    other = tiny_model()
    bias = other.network.get_layer("size").bias
    bias.assign(bias + 1)  # makes boxes one cell larger
    content = export_onnx(other, tmp_path / "other.onnx", top_k=TOP_K).read_bytes()

    def write(model, path, **options):
        path.write_bytes(content)

    monkeypatch.setitem(FORMATS, "onnx", dataclasses.replace(FORMATS["onnx"], write=write))
    with pytest.raises(UserError, match=rf"{tmp_path}/model\.onnx: on 4 .* expected box_pixels_p98 of at most 0\.5"):
        export_onnx(tiny_model(), tmp_path / "model.onnx", top_k=TOP_K)
    assert [path.name for path in tmp_path.iterdir()] == ["other.onnx"]


@pytest.mark.slow
@needs_onnx
def test_an_untrained_model_is_compared_by_its_raw_heads(untrained, tmp_path):
    path = export_onnx(untrained, tmp_path / "model.onnx", top_k=TOP_K)
    found = agreement(untrained, path, [np.random.default_rng(3).integers(0, 256, (50, 70, 3), np.uint8)])
    assert (found["compared"], found["detections"]) == ("raw heads", 0)
    assert found["heads"].keys() == {head.name for head in untrained.task.heads}
    assert min(found["heads"].values()) > 0.9999


def test_missing_packages_are_named(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tf2onnx, onnx, onnxruntime, which are not .*keras_centernet\[onnx\]"):
        export_onnx(tiny_model(), tmp_path / "model.onnx")
