"""Exported files detect like the model that they were made from, through the same functions."""

import json

import cv2
import numpy as np
import pytest

from keras_centernet import UserError, load_detector
from keras_centernet.camera import DEFAULT_CALIBRATION
from keras_centernet.cli import main
from keras_centernet.exporting import FORMATS, ExportedDetector
from keras_centernet.exporting.facts import describe
from tests.exporting.conftest import random_model
from tests.exporting.test_onnx import needs_onnx

TOP_K = 12
WAYS = {  # name of the file: (format, options)
    "detector.tflite": ("tflite", {"top_k": TOP_K}),
    "raw.tflite": ("tflite", {"raw_heads": True}),
    "folder": ("saved_model", {"top_k": TOP_K}),
    "detector.onnx": ("onnx", {"top_k": TOP_K}),
}
FILES = [pytest.param(name, marks=needs_onnx if name.endswith(".onnx") else ()) for name in WAYS]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """written(name, task) -> (model, path of its file), which is written once and not verified here."""
    folder, models, paths = tmp_path_factory.mktemp("exports"), {}, {}

    def write(name, task="detection"):
        if task not in models:
            models[task] = random_model(task)
        path = folder / f"{task}_{name}"
        if path not in paths:
            format, options = WAYS[name]
            paths[path] = FORMATS[format].write(models[task], path, **options)
        return models[task], path

    return write


@pytest.mark.parametrize(
    ("name", "task"),
    [pytest.param(*row.values, "detection", marks=row.marks) for row in FILES]
    + [("raw.tflite", "detection_3d"), ("detector.tflite", "pose")],
)
def test_a_file_finds_what_its_model_finds(name, task, written, images):
    model, path = written(name, task)
    detector = load_detector(path)
    assert isinstance(detector, ExportedDetector)
    assert (detector.classes, detector.input_size, detector.task.name) == (("cat", "dög"), (64, 96), task)
    camera = DEFAULT_CALIBRATION if model.task.needs_camera else None
    expected = model.detect(images, camera, threshold=0.05, top_k=WAYS[name][1].get("top_k", 100))
    found = detector.detect(images, camera, threshold=0.05, batch_size=3)
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other) > 0
        one, other = one[:TOP_K], other[:TOP_K]  # further down, scores are too close to have a stable order
        assert one.class_names == other.class_names
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, rtol=1e-3, atol=0.05)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
        assert one.extras.keys() == other.extras.keys()
        for key, values in other.extras.items():
            np.testing.assert_allclose(one.extras[key], values, rtol=1e-2, atol=0.05, err_msg=key)
        assert one.draw().shape == other.draw().shape


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_duplicates_are_dropped_in_the_file(name, tiny_model, images, tmp_path):
    model = tiny_model(input_size=(64, 96), task_options={"nms": 0.3})
    format, options = WAYS[name]
    FORMATS[format].write(model, tmp_path / name, **options)
    top_k = options.get("top_k", 100)
    found = load_detector(tmp_path / name).detect(images, threshold=0.01)
    for one, other in zip(found, model.detect(images, threshold=0.01, top_k=top_k), strict=True):
        assert 0 < len(one) == len(other) < top_k
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, rtol=1e-3, atol=0.05)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)


def test_an_int8_file_finds_most_of_what_its_model_finds(written, drawn, tmp_path):
    model, path = written("detector.tflite")[0], tmp_path / "int8.tflite"
    FORMATS["tflite"].write(model, path, precision="int8", calibration=drawn, top_k=TOP_K)
    images, detector = list(drawn[:4]), load_detector(path)
    pairs = zip(model.detect(images, threshold=0), detector.detect(images, threshold=0), strict=True)
    common = [
        np.abs(found.filter(classes=name).boxes_xyxy - box).max(axis=1).min() < 8
        for expected, found in pairs
        for box, name in zip(expected.boxes_xyxy[:5], expected.class_names[:5], strict=True)
    ]
    assert len(common) == 20
    assert np.mean(common) >= 0.8  # the tolerance of int8


def test_a_stream_of_files_is_taken_too(written, images, tmp_path):
    _, path = written("detector.tflite")
    for i, image in enumerate(images):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image[..., ::-1])
    stream = load_detector(path).detect(tmp_path, stream=True)
    assert [one.path for one in stream] == [str(tmp_path / f"{i}.png") for i in range(len(images))]


@pytest.mark.parametrize("name", FILES)
def test_predict_takes_a_file_as_its_model(name, written, images, tmp_path):
    model, path = written(name)
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), images[0][..., ::-1])
    words = f"predict {tmp_path}/images --model {path} --threshold 0.05".split()
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    (result,) = json.loads((tmp_path / "out" / "detections.json").read_text())
    best = model.detect([images[0]])[0]
    np.testing.assert_allclose(result["detections"][0]["box_xyxy"], best.boxes_xyxy[0], rtol=1e-3, atol=0.05)
    assert (tmp_path / "out" / "a.png").exists()
    assert main([*words, "--output", str(tmp_path / "shards"), "--shard", "0/1"]) == 0
    assert "sha256" in json.loads(next((tmp_path / "shards").rglob("shard.json")).read_text())["model"]


def foreign_tflite(path):
    import tensorflow as tf

    inputs = tf.TensorSpec((1, 8, 8, 3), tf.float32, name="images")
    function = tf.function(lambda images: images * 2, input_signature=[inputs]).get_concrete_function()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())


def foreign_onnx(path):
    onnx = pytest.importorskip("onnx")
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in ("images", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["images"], ["y"])], "g", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def foreign_folder(path):
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"")


FOREIGN = {"a.tflite": foreign_tflite, "a.onnx": foreign_onnx, "a": foreign_folder}
MUTE = "expected a file that this package exported, got one that does not say its task, classes and input size"


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_program_is_one_line(name, tmp_path):
    FOREIGN[name](tmp_path / name)
    message = f"{MUTE}; export the model anew" if "." in name else "expected a SavedModel of this package"
    with pytest.raises(UserError, match=rf"/{name}: {message}"):
        load_detector(tmp_path / name)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (["report.json", "detector_saved_model/saved_model.pb"], "detector_saved_model; name {}/detector_saved_model."),
        (["b.onnx", "a.tflite"], "a.tflite or 1 more; name {}/a.tflite."),
    ],
)
def test_a_folder_of_exported_files_is_told_which_one_to_name(files, problem, tmp_path, monkeypatch):
    for file in files:
        path = tmp_path / "sm" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        load_detector("sm")
    said = f"sm: expected a model or an exported file, got the folder of {problem.format('sm')}"
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.tflite", "expected a TFLite file, got 5 bytes of something else"),
        pytest.param("a.onnx", "expected an ONNX file that can be run; ONNX Runtime says", marks=needs_onnx),
        ("nowhere.tflite", "expected a TFLite file, got 'No such file or directory'"),
        pytest.param("nowhere.onnx", "expected a file, got none", marks=needs_onnx),
    ],
)
def test_no_such_file_and_a_damaged_one_are_one_line(name, message, tmp_path):
    for damaged in ("a.tflite", "a.onnx"):
        (tmp_path / damaged).write_bytes(b"bytes")
    with pytest.raises(UserError, match=message):
        load_detector(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "tracking"}, "expected one of the tasks detection, .*, got 'tracking'. Import the module that adds"),
        ({"task": 5}, "expected a text as task, got 5"),
        ({"classes": "cat"}, "expected a list as classes, got 'cat'"),
        ({"classes": []}, "classes"),
        ({"input_hw": [64]}, r"expected input_hw of a height and a width, got \[64\]"),
        ({"input_hw": None}, "expected a list as input_hw, got None"),
        ({"task_options": {"radius": "none"}}, "radius"),
        ({"task_options": {"color": 1}}, "task_options of detection"),
    ],
)
def test_invalid_facts_are_one_line(change, message, untrained):
    with pytest.raises(UserError, match=rf"^a\.onnx: .*{message}") as told:
        ExportedDetector("a.onnx", describe(untrained) | change, None)
    assert "\n" not in str(told.value)


BOXES = {"boxes_xyxy": np.zeros((1, 2, 4)), "scores": np.zeros((1, 2)), "classes": np.zeros((1, 2), int)}


@pytest.mark.parametrize(
    ("given", "side", "message"),
    [
        (BOXES | {"classes": np.full((1, 2), 7)}, 64, "expected classes below 2, got numbers from 7 to 7"),
        ({"scores": np.zeros((1, 2))}, 64, "expected the outputs boxes_xyxy, scores, classes, boxes_xyxy is missing"),
        (BOXES, 32, r"expected images of shape \(B, 64, 96, 3\), as its input has one size; got \(1, 32, 96, 3\)"),
    ],
)
def test_impossible_outputs_and_inputs_of_a_file_are_one_line(given, side, message, untrained):
    detector = ExportedDetector("a.onnx", describe(untrained), lambda images: given)
    with pytest.raises(UserError, match=message):
        detector.detect_batch(np.zeros((1, side, 96, 3), np.uint8))


def test_a_missing_runtime_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "a.onnx").write_bytes(b"bytes")
    with pytest.raises(UserError, match=r"onnxruntime, which is not installed.*keras_centernet\[onnx\]"):
        load_detector(tmp_path / "a.onnx")


def test_every_format_but_edgetpu_can_be_loaded():
    assert [name for name, row in FORMATS.items() if row.load is None] == ["edgetpu"]
