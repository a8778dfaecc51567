"""Detecting with Ray Data: the rows are what `model.detect` finds, and a bad file does not stop the others."""

import os
import pathlib
import runpy
import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_centernet import CenterNet, load_model
from tests.exporting.conftest import random_model

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "export" / "batch" / "detect.py"
IMAGES, BATCH, LOWEST = 21, 4, 0.1
FOUND = ("boxes_xyxy", "scores", "classes", "keypoints_xy", "keypoint_scores")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pose model, images in nested folders, two of them damaged, and a file that is no image."""
    root = tmp_path_factory.mktemp("batch")
    random_model("pose").save(root / "pose.keras")
    (root / "tiny.py").write_text("from tests.helpers.tiny_backbone import add_tiny_backbone\nadd_tiny_backbone()\n")
    (root / "photos" / "more").mkdir(parents=True)
    source = np.random.default_rng(3)
    for number in range(IMAGES):
        size_wh = tuple(map(int, source.integers(40, 200, 2)))
        image = cv2.resize(source.integers(0, 256, (20, 30, 3), np.uint8), size_wh)
        cv2.imwrite(str(root / "photos" / ("more" if number % 2 else ".") / f"{number}.png"), image)
    (root / "photos" / "broken.jpg").write_bytes(b"no image")
    (root / "photos" / "more" / "half.png").write_bytes((root / "photos" / "0.png").read_bytes()[:900])
    (root / "photos" / "notes.txt").write_text("no image")
    return root


def run(folder, *options):
    """Runs the script in its own process, which starts and stops Ray."""
    command = [sys.executable, SCRIPT, "--model", "pose.keras", "--import", "tiny", "--images", "photos", *options]
    paths = os.pathsep.join(map(str, (ROOT, folder)))
    environment = os.environ | {"PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.run(
        [*command, "--batch-size", str(BATCH), "--threshold", str(LOWEST)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_rows_are_what_the_model_finds(backend, folder):
    pytest.importorskip("ray")
    pytest.importorskip(backend)
    import pyarrow.parquet as parquet

    result = run(folder, "--output", backend, "--backend", backend, "--actors", "1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"{IMAGES} images, 2 unreadable: {folder / backend}"
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("DataWarning")]
    assert line.startswith("DataWarning: 2 files could not be read, each is a row with an error; first: image ")
    table = parquet.read_table(folder / backend)
    columns = ["path", "width", "height", *FOUND[:3], "class_names", *FOUND[3:], "error"]
    assert table.column_names == columns
    rows = {row["path"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == IMAGES + 2
    for name in ("broken.jpg", "more/half.png"):
        row = rows.pop(str(folder / "photos" / name))
        assert name in row.pop("error")
        assert set(row.values()) == {str(folder / "photos" / name), None}
    expected = load_model(folder / "pose.keras").detect(list(rows), threshold=LOWEST, batch_size=BATCH)
    assert sum(map(len, expected)) > 20
    for found in expected:
        row = rows[found.path]
        assert row["error"] is None
        assert (row["height"], row["width"]) == found.image.shape[:2]
        assert row["class_names"] == list(found.class_names)
        for name in FOUND:
            values = np.reshape(row[name], getattr(found, name).shape)
            np.testing.assert_allclose(values, getattr(found, name), rtol=1e-4, atol=2e-3, err_msg=name)


@pytest.mark.slow
def test_more_actors_than_cores_are_one_line(folder):
    pytest.importorskip("ray")
    result = run(folder, "--output", "many", "--actors", "1000")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("detect.py: --actors: expected at most one per core, ")


@pytest.mark.filterwarnings("ignore::FutureWarning")  # raised in Ray itself
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--model no.keras", "no.keras: expected a .keras file, but it does not exist"),
        ("--model notes.keras", "notes.keras: expected a .keras file, but it is damaged"),
        ("--import no_such_module", "--import no_such_module: expected a module"),
        ("--images nowhere", "--images nowhere: expected an image (.jpg, "),
        ("--images photos notes.keras", "--images notes.keras: expected an image (.jpg, "),
        ("--images nosuch://x/y", "--images nosuch://x/y: expected a path that can be reached, got: Unrecognized"),
        ("--output nosuch://x/y", "--output nosuch://x/y: expected a path that can be reached, got: Unrecognized"),
        ("--output photos", "--output photos: expected a new or empty folder, got files; name another."),
        ("--threshold 1.5", "--threshold: expected a score from 0 to 1, got 1.5."),
        ("--actors 0", "--actors: expected a positive number, got 0."),
        ("--batch-size -1", "--batch-size: expected a positive number, got -1."),
        ("--backend torch", "--backend: expected one that is installed, got torch; install it or name another."),
        ("--calibration no.txt", "no.txt: expected a calibration file"),
    ],
)
def test_a_mistake_is_one_line(options, message, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setitem(sys.modules, "torch", None)  # stands for a missing torch
    (tmp_path / "photos").mkdir()
    cv2.imwrite("photos/photo.png", np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "notes.keras").write_text("no model")
    CenterNet("tiny", classes=("cat",), input_size=64).save("model.keras")
    given = ["--model", "model.keras", "--images", "photos", "--output", "found", *options.split()]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *given])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert str(stopped.value.code).startswith(f"detect.py: {message}")
    assert len(str(stopped.value.code).splitlines()) == 1


def test_without_ray_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit, match=r'expected Ray Data, got: .*Run pip install "keras_centernet\[ray\]"\.$'):
        runpy.run_path(str(SCRIPT), run_name="__main__")
