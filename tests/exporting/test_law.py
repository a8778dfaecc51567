"""The law: a new format is one function and one row; a new task's heads and fields reach every format."""

import json

import numpy as np
import pytest
from keras import ops

from keras_centernet import UserError, load_model
from keras_centernet.cli import main
from keras_centernet.exporting import FORMATS, TFLiteDetector, agreement, export_onnx, export_saved_model, export_tflite
from keras_centernet.exporting.agreement import Opened
from keras_centernet.exporting.table import Format
from keras_centernet.method import losses
from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.tasks import TASKS, TaskRow, detection
from tests.exporting.conftest import random_model
from tests.exporting.test_onnx import needs_onnx

TOP_K = 12


# -- a format


def write_weights(model, path, top_k=100):
    np.savez(path, top_k=top_k, **{str(i): value for i, value in enumerate(model.network.get_weights())})


def open_weights(path, model):
    """Opens a file of weights, which is run in Keras."""
    with np.load(path) as file:
        top_k, weights = int(file["top_k"]), [file[str(i)] for i in range(len(file.files) - 1)]
    copy = type(model).from_config(model.get_config())
    copy.network.set_weights(weights)

    def run(example):
        return {key: np.asarray(value)[0] for key, value in copy.detect_batch(example.image[None], top_k).items()}

    def maps(image):
        return {key: np.asarray(value)[0] for key, value in copy(image[None]).items()}

    return Opened((run,), maps)


def write_two(model, path, top_k=100):
    """Writes two files: the weights, and a JSON file with their size."""
    write_weights(model, path.with_suffix(".npz"), top_k)
    path.write_text(json.dumps({"bytes": path.with_suffix(".npz").stat().st_size}))


def open_two(path, model):
    """Opens the pair; the weights alone cannot be run."""
    if path.suffix == ".npz":
        return None
    assert json.loads(path.read_text())["bytes"] == path.with_suffix(".npz").stat().st_size
    return open_weights(path.with_suffix(".npz"), model)


@pytest.fixture(scope="module")
def model_file(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "best.keras"
    tiny_model().save(path)
    return path


@pytest.fixture
def weights_format(monkeypatch):
    monkeypatch.setitem(FORMATS, "weights", Format(write_weights, open_weights, ".npz", suffix=".npz"))


@pytest.fixture
def two_files(monkeypatch):
    row = Format(write_two, open_two, ".json2", more_endings=lambda options: (".npz",), suffix=".json2")
    monkeypatch.setitem(FORMATS, "two_files", row)


def test_a_new_format_is_exported_by_its_suffix_or_name(weights_format, tiny_model, tmp_path):
    model = tiny_model()
    assert model.export(tmp_path / "a.npz", top_k=TOP_K) == tmp_path / "a.npz"
    assert agreement(model, tmp_path / "a.npz", [np.zeros((64, 64, 3), np.uint8)])["score"] == 0
    model.export(tmp_path / "b.npz", "weights")
    with pytest.raises(UserError, match="export to weights: expected top_k; got precision"):
        model.export(tmp_path / "c.npz", precision="int8")
    with pytest.raises(UserError, match=r"expected one of these suffixes: .*\.npz \(weights\)"):
        model.export(tmp_path / "c.pb")
    with pytest.raises(UserError, match=r"Unknown format: expected one of .*, weights; got 'none'"):
        model.export(tmp_path / "c.npz", "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_the_command_knows_a_new_format(weights_format, model_file, tmp_path, capsys):
    command = ["export", "--model", str(model_file), "--output", str(tmp_path)]
    assert main([*command, "--format", "weights", "--top-k", "7"]) == 0
    assert "detector.npz" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())["detector.npz"]
    assert (report["format"], report["agreement"]["missed"]) == ("weights", 0)
    assert main([*command, "--format", "none"]) == 2
    assert "edgetpu, weights; got 'none'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["export", "--help"])
    assert "weights" in capsys.readouterr().out


def test_an_option_of_its_own_is_given_by_name(model_file, tmp_path, monkeypatch):
    def write(model, path, top_k=100, seed=0):
        write_weights(model, path, top_k)
        (path.parent / "seed.txt").write_text(str(seed))

    row = Format(
        write,
        lambda path, model: open_weights(path, model) if path.suffix == ".npz" else None,
        ".npz",
        options=("seed", "top_k"),
    )
    monkeypatch.setitem(FORMATS, "seeded", row)
    command = ["export", "--model", str(model_file), "--output", str(tmp_path), "--format", "seeded"]
    assert main([*command, "--format-option", "seed=3"]) == 0
    assert (tmp_path / "seed.txt").read_text() == "3"


def test_a_format_of_two_files(two_files, model_file, tmp_path):
    command = ["export", "--model", str(model_file), "--output", str(tmp_path / "out"), "--format", "two_files"]
    assert main(command) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report.keys() == {"detector.json2", "detector.npz"}
    assert report["detector.json2"]["agreement"]["missed"] == 0
    assert "agreement" not in report["detector.npz"]
    (tmp_path / "out" / "detector.json2").unlink()
    assert main(command) == 2  # the other file still exists
    load_model(model_file).export(tmp_path / "a.json2")
    assert {path.name for path in tmp_path.glob("a.*")} == {"a.json2", "a.npz"}


def test_a_format_with_other_detections_is_refused(weights_format, tiny_model, tmp_path, monkeypatch):
    def write(model, path, top_k=100):
        other = tiny_model()
        bias = other.network.get_layer("size").bias
        bias.assign(bias + 1)
        write_weights(other, path, top_k)

    monkeypatch.setitem(FORMATS, "weights", Format(write, open_weights, ".npz", suffix=".npz"))
    with pytest.raises(UserError, match=rf"^{tmp_path}/a\.npz: on 4 image\(s\) it does not find what the model does"):
        tiny_model().export(tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


# -- a task


def build_tracking(classes):
    """Detection with two more heads: velocity in pixels per frame, and an embedding that tells objects apart."""
    heads = detection.build_detection(classes).heads
    velocity = HeadSpec("velocity", 2, "centers", lambda placed: placed["velocities_dxy"], losses.masked_l1)
    embedding = HeadSpec("embedding", 5, "centers", lambda placed: placed["embeddings"], losses.masked_l1)

    def to_boxes(readings):
        return detection.to_boxes(readings) | {
            "velocities_dxy": ops.cast(readings["velocity"], "float32"),
            "embeddings": ops.cast(readings["embedding"], "float32"),
        }

    def postprocess(rows, calibration=None):
        return {"velocities_dxy": rows["velocities_dxy"], "embeddings": rows["embeddings"]}

    return Task("tracking", tuple(classes), (*heads, velocity, embedding), to_boxes, postprocess=postprocess)


@pytest.fixture
def tracker(monkeypatch):
    monkeypatch.setitem(TASKS, "tracking", TaskRow(build_tracking, ("car",)))
    return random_model("tracking")


def assert_agrees(found):
    assert found["detections"] > TOP_K / 2
    assert found["missed"] == found["others"] == 0
    assert max(found["velocities_dxy"], found["embeddings"]) < 0.01


def test_tflite_with_and_without_decoding(tracker, images, tmp_path):
    for name, raw_heads in (("whole", False), ("raw", True)):
        path = export_tflite(tracker, tmp_path / f"{name}.tflite", top_k=TOP_K, raw_heads=raw_heads)
        assert_agrees(agreement(tracker, path, images))
        detector = TFLiteDetector(path, top_k=TOP_K)  # the file alone names the task
        inputs = images[3]
        expected = tracker.detect_batch(inputs[None], top_k=TOP_K)
        np.testing.assert_allclose(detector(inputs)["velocities_dxy"], expected["velocities_dxy"][0], atol=1e-3)


@pytest.mark.slow
def test_saved_model(tracker, images, tmp_path):
    """The extras are those of `detect`: vectors are scaled to original pixels, but not shifted."""
    path = export_saved_model(tracker, tmp_path / "saved", top_k=TOP_K)
    assert_agrees(agreement(tracker, path, images))


@needs_onnx
@pytest.mark.slow
def test_onnx(tracker, images, tmp_path):
    assert_agrees(agreement(tracker, export_onnx(tracker, tmp_path / "a.onnx", top_k=TOP_K), images))
