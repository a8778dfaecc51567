"""Pose and 3D through the commands: train, evaluate, predict, and the files they leave."""

import json
import shutil

import numpy as np
import pytest

from keras_centernet import load_model
from keras_centernet.cli import main
from keras_centernet.data.formats.kitti.labels import read_kitti_file
from keras_centernet.errors import DataWarning
from keras_centernet.tasks.skeletons import COCO_PERSON
from tests.helpers.tiny_backbone import TINY

CAR = "Car 0.00 0 -1.50 100.00 30.00 160.00 90.00 1.50 1.60 3.90 -2.00 1.60 12.00 -1.60"
TRAIN = [
    *("--backbone", TINY),
    *("--batch-size", "1", "--epochs", "1", "--verbose", "0"),
]


@pytest.mark.slow
def test_3d_boxes(write_kitti, tmp_path, capsys):
    frames = {"000001": [CAR], "000002": [CAR, CAR.replace("100.00", "110.00")]}
    folder, run = write_kitti(frames, splits={"train": ["000001"], "val": ["000002"]}), tmp_path / "run"
    shape = ["--input-size", "64x192", "--task", "detection_3d", "--task-option", "projection=true"]
    assert main(["train", "--data", str(folder), "--output", str(run), *shape, *TRAIN]) == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["kitti"]["Car"]["3d"]["moderate"]["R40"] is not None
    assert "depth_loss" in (run / "history.csv").read_text()
    model, results = str(run / "best.keras"), tmp_path / "results"
    assert load_model(model).task_options == {"projection": True}
    command = ["evaluate", "--model", model, "--data", str(folder), "--split", "all", "--results", str(results)]
    assert main([*command, "--output", str(tmp_path / "metrics.json")]) == 0
    assert "KITTI AP" in capsys.readouterr().out
    assert len(read_kitti_file(results / "000001.txt").types) == len((results / "000001.txt").read_text().splitlines())
    images, calibration = str(folder / "training" / "image_2"), str(folder / "training" / "calib")
    found = tmp_path / "found"
    command = ["predict", images, "--model", model, "--output", str(found), "--threshold", "0"]
    assert main([*command, "--calibration", calibration]) == 0
    detections = json.loads((found / "detections.json").read_text())[0]["detections"]
    assert np.shape(detections[0]["locations"]) == (3,)
    with pytest.warns(DataWarning, match="3D boxes without a calibration"):
        assert main([*command, "--overwrite"]) == 0
    assert main([*command, "--overwrite", "--calibration", str(tmp_path)]) == 2
    assert "expected a calibration file, it cannot be read" in capsys.readouterr().err


@pytest.mark.slow
def test_poses(write_keypoints, tmp_path, capsys):
    person = {"id": 1, "name": "person", "keypoints": list(COCO_PERSON.names), "skeleton": []}
    keypoints = np.column_stack([np.linspace(12, 28, 17), np.linspace(12, 40, 17), np.full(17, 2)])
    folder, run = write_keypoints([person], [(1, [10, 10, 20, 32], keypoints.ravel().tolist())]), tmp_path / "run"
    command = ["train", "--data", str(folder), "--output", str(run), "--task", "pose", "--input-size", "64", *TRAIN]
    others = shutil.copytree(folder, f"{tmp_path}_others")
    assert main([*command, "--val-data", str(others), "--val-split", "train"]) == 0
    assert json.loads((run / "metrics.json").read_text())["OKS_AP"] is not None
    model = load_model(run / "best.keras")
    assert model.task_options["skeleton"] == COCO_PERSON.to_dict()
    found = tmp_path / "found"
    image = str(folder / "train2017" / "a.png")
    assert main(["predict", image, "--model", str(run / "best.keras"), "--output", str(found), "--threshold", "0"]) == 0
    detections = json.loads((found / "detections.json").read_text())[0]["detections"]
    assert np.shape(detections[0]["keypoints_xy"]) == (17, 2)
    assert (found / "a.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--task", "pose"],
            "format shapes has no keypoints_xyv, which this task needs: expected one of tfrecord, coco",
        ),
        (["--task", "tracking"], "Unknown task: expected one of detection, detection_3d, pose; got 'tracking'"),
        (["--task-option", "colour=red"], "task_options of detection: "),
        (["--task-option", "radius"], "--task-option: expected NAME=VALUE, got 'radius'"),
    ],
)
def test_mistakes(options, message, tmp_path, capsys):
    command = ["train", "--data", "shapes", "--output", str(tmp_path / "run"), "--input-size", "64", *options]
    assert main(command) == 2
    assert message in capsys.readouterr().err
