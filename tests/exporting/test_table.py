"""`model.export`: which format it chooses, and its errors for unknown ones."""

import dataclasses

import pytest

from keras_centernet import UserError
from keras_centernet.exporting import FORMATS


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model()


@pytest.fixture
def calls(monkeypatch):
    """Records the arguments that reach each format's function; nothing is written or verified."""
    made = []
    for name, row in FORMATS.items():

        def record(model, path, name=name, **options):
            made.append((name, path.name, options))

        monkeypatch.setitem(FORMATS, name, dataclasses.replace(row, write=record))
    return made


@pytest.mark.parametrize(
    ("path", "format", "expected"),
    [
        ("detector.tflite", None, "tflite"),
        ("detector.onnx", None, "onnx"),
        ("folder", None, "saved_model"),
        ("detector.tflite", "edgetpu", "edgetpu"),
        ("v1.0", "saved_model", "saved_model"),
        ("anything", "litert", "tflite"),
        ("anything.d", "tf_saved_model", "saved_model"),
        ("anything", "onnx", "onnx"),
    ],
)
def test_the_suffix_or_the_name_chooses(model, calls, path, format, expected, tmp_path):
    assert model.export(tmp_path / path, format, top_k=5) == tmp_path / path
    assert calls == [(expected, path, {"top_k": 5})]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("detector.pb", {}, r"detector.pb: expected one of these suffixes: .tflite \(tflite\), none \(saved_model\)"),
        ("detector", {"format": "openvino"}, "Unknown format: expected one of tflite, saved_model, onnx, edgetpu; got"),
        ("detector.onnx", {"precision": "int8"}, "export to onnx: expected top_k; got precision"),
    ],
)
def test_unknown_suffixes_formats_and_options(model, calls, path, options, message):
    with pytest.raises(UserError, match=message):
        model.export(path, **options)
    assert not calls
