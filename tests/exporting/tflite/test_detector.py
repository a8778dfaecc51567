"""Raw heads are decoded by the task that the file, the caller or the table names."""

import unittest.mock

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.exporting import TFLiteDetector, export_tflite
from keras_centernet.exporting.tflite.metadata import add_metadata
from keras_centernet.tasks import TASKS
from tests.exporting.conftest import random_model

TOP_K = 12


@pytest.fixture(scope="module")
def raw(model_of_task, tmp_path_factory):
    path = export_tflite(model_of_task, tmp_path_factory.mktemp("raw") / "model.tflite", raw_heads=True)
    return model_of_task, path


def assert_decodes(detector, model, image):
    found, expected = detector(image), model.detect_batch(image[None], top_k=TOP_K)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value[0], rtol=1e-4, atol=1e-3, err_msg=key)


def test_the_file_names_its_task(raw, drawn):
    model, path = raw
    assert_decodes(TFLiteDetector(path, top_k=TOP_K), model, drawn[0])


def test_the_task_of_a_file_that_names_none_is_known_by_its_heads(raw, drawn):
    model, path = raw
    content = add_metadata(path.read_bytes(), "old", model.classes)
    assert_decodes(TFLiteDetector(content, top_k=TOP_K), model, drawn[0])


def test_the_caller_may_name_the_task(raw, drawn):
    model, path = raw
    with unittest.mock.patch.dict(TASKS):  # restores the rows in their order
        del TASKS[model.task.name]
        assert_decodes(TFLiteDetector(path, top_k=TOP_K, task=model.task), model, drawn[0])
        with pytest.raises(UserError, match=rf"model\.tflite: expected raw heads of {model.task.name}, got"):
            TFLiteDetector(path)


@pytest.mark.slow
def test_options_of_the_task_are_in_the_file(drawn, tmp_path):
    """The option `projection` adds a head."""
    model = random_model("detection_3d")
    options = {"projection": True}
    other = type(model).from_config(model.get_config() | {"task_options": options})
    path = export_tflite(other, tmp_path / "model.tflite", raw_heads=True)
    assert len(TFLiteDetector(path).run(drawn[0])) == len(model.task.heads) + 1
    assert_decodes(TFLiteDetector(path, top_k=TOP_K), other, drawn[0])


@pytest.mark.parametrize("raw_heads", [True, "int8"])
def test_8_bit_heads_detect_what_the_whole_file_does(export_once, drawn, raw_heads):
    raw, whole = TFLiteDetector(export_once("int8", raw_heads)[1], top_k=20), TFLiteDetector(export_once("int8")[1])
    for image in drawn[:3]:
        found, expected = raw(image), whole(image)
        np.testing.assert_array_equal(found["classes"], expected["classes"])
        np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-5)
        clipped = np.clip(found["boxes_xyxy"], 0, [96, 64, 96, 64])
        np.testing.assert_allclose(clipped, expected["boxes_xyxy"], atol=1e-3)
