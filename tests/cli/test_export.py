"""The export command: what it writes, what it reports, and what it refuses before any work."""

import dataclasses
import json
import pathlib
import runpy
import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_centernet.cli import export, main
from keras_centernet.cli.arguments import Parser
from keras_centernet.errors import DataWarning
from keras_centernet.exporting import FORMATS, PRECISIONS, TFLiteDetector, check_edgetpu, facts_of

ROOT = pathlib.Path(__file__).parents[2]
FEW = "calibration: 10 image"


def test_the_help_names_every_format_and_precision(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["export", "--help"])
    printed = capsys.readouterr().out
    assert [name for name in (*FORMATS, *PRECISIONS) if name not in printed] == []


@pytest.mark.parametrize("name", ["tflite", "saved_model", "edgetpu"])
def test_scripts_are_the_command_with_a_format(name, monkeypatch, capsys):
    script = str(ROOT / "export" / f"export_{name}.py")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(script, run_name="__main__")
    assert export.EXAMPLES in capsys.readouterr().out


@pytest.fixture(scope="module")
def mobile_file(tiny_model, tmp_path_factory):
    """A saved detector that can be compiled for the Edge TPU."""
    path = tmp_path_factory.mktemp("mobile") / "model.keras"
    tiny_model("mobilenet_v3_small_minimalistic").save(path)
    return path


@pytest.fixture(scope="module")
def exported(model_file, photos, tmp_path_factory):
    """A folder with a TFLite file and a SavedModel."""
    folder = tmp_path_factory.mktemp("exported")
    command = ["export", "--model", str(model_file), "--output", str(folder), "--images", str(photos), "--top-k", "7"]
    measured = ["--data", str(photos), "--evaluate", "val"]
    said = ["--license", "cc-by-4.0"]
    assert main([*command, *measured, *said, "--format", "tflite", "--format", "saved_model"]) == 0
    return folder


@pytest.mark.slow
def test_files_are_written_and_the_report_describes_them(exported):
    assert {path.name for path in exported.iterdir()} == {
        "detector_float32.tflite",
        "detector_saved_model",
        "report.json",
    }
    report = json.loads((exported / "report.json").read_text())
    row = report["detector_float32.tflite"]
    assert (row["format"], row["precision"]) == ("tflite", "float32")
    assert row["size_bytes"] == (exported / "detector_float32.tflite").stat().st_size
    assert row["operators"]["TOPK_V2"] == 2
    assert row["agreement"]["images"] == report["detector_saved_model"]["agreement"]["images"] == 8
    assert row["latency_ms"] > 0
    metric = row["metric"]
    assert metric["name"] == "AP"
    assert metric["difference"] == metric["file"] - metric["model"] == pytest.approx(0, abs=0.01)
    assert "metric" not in report["detector_saved_model"]
    assert report["detector_saved_model"]["agreement"]["box_pixels"] < 0.5
    assert {facts_of(exported / name)["licence"] for name in report} == {"cc-by-4.0"}
    found = TFLiteDetector(exported / "detector_float32.tflite")(np.zeros((64, 64, 3), np.uint8))
    assert len(found["scores"]) == 7


@pytest.mark.slow
def test_nothing_is_replaced(exported, model_file, capsys):
    before = (exported / "report.json").read_text()
    assert main(["export", "--model", str(model_file), "--output", str(exported)]) == 2
    assert "detector_float32.tflite: expected no file there yet, got one" in capsys.readouterr().err
    assert (exported / "report.json").read_text() == before


@pytest.mark.slow
def test_edge_tpu_with_and_without_the_compiler(mobile_file, photos, tmp_path, capsys, monkeypatch, edgetpu_compiler):
    output = tmp_path / "out"
    command = ["export", "--model", str(mobile_file), "--format", "edgetpu"]
    with pytest.warns(DataWarning, match=FEW):
        assert main([*command, "--output", str(output), "--calibration", str(photos)]) == 0
    assert "Not run here: it needs an Edge TPU" in capsys.readouterr().out
    report = json.loads((output / "report.json").read_text())
    network, detector = report["detector_edgetpu_raw.tflite"], report["detector_edgetpu.tflite"]
    assert network["edge_tpu"]["ok"]
    assert network["compiler"]["mapped"] == 62
    assert network["agreement"]["heads"]["center_heatmap"] > 0.9
    assert "agreement" not in detector  # it was not run, so no agreement is claimed
    assert check_edgetpu(output / "detector_edgetpu.tflite").is_compiled

    (output / "detector_edgetpu.tflite").unlink()
    compiled = tmp_path / "detector_edgetpu_raw_edgetpu.tflite"
    subprocess.run(
        ["edgetpu_compiler", "-s", "-o", str(tmp_path), str(output / "detector_edgetpu_raw.tflite")], check=True
    )
    assert main([*command, "--output", str(output), "--compiled", str(compiled)]) == 0
    assert check_edgetpu(output / "detector_edgetpu.tflite").is_compiled
    assert json.loads((output / "report.json").read_text())["detector_edgetpu_raw.tflite"] == network


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "format",
            "--format coreml",
            "Unknown format: expected one of tflite, saved_model, onnx, edgetpu; got 'coreml'",
        ),
        ("precision", "--precision int4", "Unknown precision: expected one of float32, float16, dynamic, int8; got"),
        (
            "no calibration",
            "--precision int8",
            "detector_int8.tflite: expected images to measure ranges on, got none",
        ),
        ("two", "--precision int8 --calibration a --data shapes", "--calibration and --data: expected one of them"),
        (
            "nothing to evaluate",
            "--evaluate val",
            "--evaluate: expected --data with it, whose split is measured; got none",
        ),
        ("precision of", "--format saved_model --precision int8", "--precision: expected a format that has several"),
        ("option", "--format onnx --raw-heads", "raw_heads: expected a format that has it, got onnx"),
        ("own option", "--format-option xla=true", "xla: expected a format that has it, got tflite"),
        ("own flag", "--format-option precision=int8", "--format-option precision: expected an option without a flag"),
        ("compiled", "--compiled {tmp}/none.tflite", "compiled: expected a format that has it, got tflite"),
        ("one file", "--format tflite --format saved_model --output {tmp}/one.tflite", "got the name of one file"),
        ("suffix", "--format tflite --output {tmp}/one.onnx", "expected a folder for detector_float32.tflite"),
        (
            "other suffix",
            "--output {tmp}/x.pt",
            "x.pt: expected a folder, without a suffix, or a file that ends in .tf",
        ),
        ("its format", "--format onnx --output {tmp}/x.pb", "a file that ends in .tflite, .onnx; got .pb."),
        ("a file in the way", "--output {model}/out", "expected a folder that can be written to: Not a directory"),
        ("no folder", "--precision int8 --calibration {tmp}/none", "expected a folder of images, got no folder"),
        ("empty", "--precision int8 --calibration {empty}", "got no image"),
        ("unreadable", "--precision int8 --calibration {broken}", "broken.jpg"),
        ("no images", "--images {empty}", "--images: expected a folder of images"),
        (
            "not compiled",
            "--format edgetpu --compiled {tmp}/none.tflite --model {mobile}",
            "expected a TFLite file, got 'No such file",
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    name, arguments, message, photos, model_file, mobile_file, tmp_path, capfd
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.jpg").write_bytes(b"no image")
    places = {"photos": photos, "model": model_file, "mobile": mobile_file, "tmp": tmp_path}
    places |= {n: tmp_path / n for n in ("empty", "broken")}
    command = ["export", "--model", str(model_file), "--output", str(tmp_path / "out")]
    assert main([*command, *arguments.format(**places).split()]) == 2
    error = capfd.readouterr().err
    (line,) = [line for line in error.splitlines() if line.startswith("keras-centernet: ")]
    assert message in line
    assert "Traceback" not in error
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "broken.jpg"]


@pytest.mark.parametrize("name", ["v1.2", "existing.pt"])
def test_a_folder_may_have_a_dot_in_its_name(name, tmp_path):
    (tmp_path / "existing.pt").mkdir()
    parser = Parser()
    export.add_arguments(parser)
    args = parser.parse_args(["--model", "x", "--output", str(tmp_path / name)])
    export.collect_repeated(args, export.Options)
    folder, plan = export._plan(args)
    assert folder == tmp_path / name
    assert [planned.name for planned in plan] == ["detector_float32.tflite"]


def test_missing_packages_are_reported_before_the_model_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model, output = str(tmp_path / "absent.keras"), str(tmp_path / "exported")
    assert main(["export", "--model", model, "--format", "onnx", "--output", output]) == 2
    assert "keras_centernet[onnx]" in capsys.readouterr().err
    assert not (tmp_path / "exported").exists()


def test_a_network_unfit_for_the_edge_tpu_is_told_which_ones_fit(model_file, photos, tmp_path, capsys):
    command = ["export", "--model", str(model_file), "--output", str(tmp_path / "out")]
    assert main([*command, "--format", "edgetpu", "--calibration", str(photos)]) == 2
    assert "mobilenet_v2 to 320 px, mobilenet_v3_small_minimalistic" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_that_disagrees_with_the_model_does_not_appear(model_file, photos, tmp_path, capsys, monkeypatch):
    def wrong(path, model):
        (path / "saved_model.pb").stat()  # it was written at a temporary path
        raise export.UserError("the file's boxes differ by 3 px")

    monkeypatch.setitem(FORMATS, "saved_model", dataclasses.replace(FORMATS["saved_model"], open=wrong))
    output = tmp_path / "out"
    command = ["export", "--model", str(model_file), "--output", str(output), "--format", "saved_model"]
    assert main([*command, "--images", str(photos)]) == 2
    assert "differ by 3 px" in capsys.readouterr().err
    assert list(output.iterdir()) == []


def test_a_report_that_is_something_else_is_kept(model_file, tmp_path, capsys):
    (tmp_path / "report.json").write_text("[1]")
    assert main(["export", "--model", str(model_file), "--output", str(tmp_path)]) == 2
    assert "report.json: expected an object as its content, got [1]; remove it." in capsys.readouterr().err
    assert (tmp_path / "report.json").read_text() == "[1]"


def test_classes_without_names_are_warned_about(tiny_model, tmp_path, monkeypatch):
    tiny_model(classes=None, num_classes=2).save(tmp_path / "model.keras")
    monkeypatch.setattr("keras_centernet.exporting.checked_export.export_checked", lambda *arguments: {})
    with pytest.warns(DataWarning, match="the model's classes have no names"):
        assert main(["export", "--model", str(tmp_path / "model.keras"), "--output", str(tmp_path / "out")]) == 0


def test_images_are_compared_in_their_own_size(photos):
    from keras_centernet.exporting.tflite.calibration import read_some

    images = read_some(str(photos), 4, "--images")
    assert [image.shape for image in images] == [(48, 72, 3)] * 4
    first, third = (cv2.imread(str(photos / "JPEGImages" / f"photo{i}.jpg"))[:, :, ::-1] for i in (0, 2))
    np.testing.assert_array_equal(images[0], first)
    np.testing.assert_array_equal(images[1], third)  # the chosen images are evenly spaced among the ten
