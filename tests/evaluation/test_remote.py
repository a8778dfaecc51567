"""Detections, reports, histories and calibrations, written to and read from remote paths."""

import json

import cv2
import numpy as np
import pytest

from keras_centernet import Detections, UserError
from keras_centernet.camera import read_calibration
from keras_centernet.data.formats.kitti.labels import KittiObjects, read_kitti_file
from keras_centernet.drawing import draw_curves
from keras_centernet.evaluation.report import Report
from keras_centernet.files.remote_path import RemotePath


@pytest.fixture
def there(tmp_path):
    """A folder in memory."""
    folder = RemotePath(f"ram://{tmp_path.name}")
    folder.mkdir()
    return folder


def as_image(path):
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def test_detections(there, rng):
    image = rng.integers(0, 256, (40, 60, 3), np.uint8)
    found = Detections([[10, 5, 50, 30]], [0.9], [2], ["car"], image=image, path=f"{there}/street.png")
    drawn = found.draw(there / "drawn.png")
    np.testing.assert_array_equal(as_image(there / "drawn.png")[..., ::-1], drawn)
    assert found.to_json(f"{there}/found.json") + "\n" == (there / "found.json").read_text()
    assert repr(found) == "Detections(street.png: 1 car)"


def test_a_model_detects_in_a_remote_image(there, tiny_model, rng):
    image = rng.integers(0, 256, (40, 60, 3), np.uint8)
    (there / "a.png").write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    model = tiny_model()
    remote, local = model.detect([f"{there}/a.png", image], threshold=0)
    np.testing.assert_allclose(remote.boxes_xyxy, local.boxes_xyxy, atol=1e-4)  # rounding depends on the batch row
    assert remote.path == f"{there}/a.png"


def test_a_report(there):
    objects = KittiObjects(
        types=("Car",),
        boxes_xyxy=np.ones((1, 4)),
        alphas=np.ones(1),
        dimensions_hwl=np.ones((1, 3)),
        locations_xyz=np.ones((1, 3)),
        rotations_y=np.ones(1),
        truncations=np.zeros(1),
        occlusions=np.zeros(1, int),
    )
    report = Report(
        {"AP": 0.5, "per_class": {"car": {"AP50": 0.7}}}, results={"boxes": [], "kitti": {7: objects, 8: objects}}
    )
    report.precision_recall = {"car": {"recall": np.linspace(0, 1, 3), "precision": np.linspace(1, 0, 3)}}
    report.save(there / "metrics.json", data="gs://bucket/photos")
    assert json.loads((there / "metrics.json").read_text())["data"] == "gs://bucket/photos"
    report.draw_precision_recall(f"{there}/curves.png")
    assert as_image(there / "curves.png").std() > 1
    assert report.write_results(there / "results") == [f"{there}/results/00000{i}.txt" for i in (7, 8)]
    assert read_kitti_file(there / "results" / "000008.txt").types == ("Car",)


def test_a_history(there):
    (there / "history.csv").write_text("epoch,loss\n1,2.5\n2,1.5\n")
    draw_curves(f"{there}/history.csv", f"{there}/curves.png")
    assert as_image(there / "curves.png").std() > 1


def test_a_calibration(there):
    (there / "000007.txt").write_text("P2: 720 0 200 45 0 720 60 0.2 0 0 1 0.003\n")
    assert read_calibration(f"{there}/000007.txt")[0].tolist() == [720, 0, 200, 45]
    with pytest.raises(UserError, match=r"none.txt: expected a calibration file, it cannot be read: No such file or"):
        read_calibration(there / "none.txt")


@pytest.mark.parametrize("name", ["m.json", "m.png", "results"])
def test_a_path_that_cannot_be_written_to_is_named(name, rng):
    report, path = Report({"per_class": {}}), f"nosuch://x/{name}"
    write = {"m.json": report.save, "m.png": report.draw_precision_recall, "results": report.write_results}[name]
    with pytest.raises(UserError, match=f"{path}: .*File system scheme 'nosuch' not implemented"):
        write(path)
