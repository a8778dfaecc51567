"""The law: a new metric is one class and one row of `METRICS`; reports, logs, files and choices then have it."""

import contextlib
import json

import numpy as np
import pytest

from keras_centernet.about import About
from keras_centernet.evaluation import AveragePrecision, evaluate
from keras_centernet.evaluation.metrics.metric import Accumulator, Metric
from keras_centernet.evaluation.metrics.table import METRICS, logged_names, main_metric
from keras_centernet.runs.callbacks import KeepBest
from keras_centernet.runs.folder import RunFolder
from tests.evaluation.test_evaluate import Batches, Oracle, build_batch

SPEEDS = np.float32([[3, 5, 0, 0]])
SCENE = [((64, 96), [(0, [0, 0, 20, 20]), (1, [40, 10, 60, 30])])]


class SpeedError(Accumulator):
    """The errors of the best-scored detections' speeds, row by row."""

    def __init__(self, detector, classes):
        super().__init__(detector, classes)
        self.errors = {}

    def add(self, objects, found, annotations):
        count = len(annotations)
        self.errors[int(objects["image_id"])] = np.abs(objects["speeds"][:count] - found["speeds"][:count]).tolist()

    def compute(self, ground_truth, detections, change=list):
        errors = [error for row in self.errors.values() for error in row]
        return {"speed": 1 - np.mean(errors).item(), "speed_by_image": self.errors}

    def results(self, detections):
        return self.errors


def write(errors, folder, category_ids, image_ids):
    (folder / "speeds.txt").write_text(json.dumps(errors))
    return [str(folder / "speeds.txt")]


class Tracker(Oracle):
    """Also finds the objects' speeds, 0.1 too high."""

    def detect_batch(self, images, top_k=100):
        return super().detect_batch(images, top_k) | {"speeds": np.repeat(SPEEDS, len(images), axis=0) + 0.1}


@pytest.fixture
def speed(monkeypatch):
    row = Metric(
        SpeedError,
        names=("speed",),
        logged=("speed",),
        main="speed",
        needs_objects=("speeds",),
        needs_found=("speeds",),
        tables=lambda metrics: [[("image", "error"), ("0", f"{metrics['speed_by_image'][0][0]:.2f}")]],
        write=write,
    )
    monkeypatch.setitem(METRICS, "speed", row)


@pytest.fixture
def dataset():
    images, objects = build_batch(SCENE)
    return Batches([(images, objects | {"speeds": SPEEDS})])


def test_a_new_metric_is_measured_shown_and_written(speed, dataset, tmp_path):
    report = evaluate(Tracker(dataset), dataset)
    assert report.metrics["speed"] == pytest.approx(0.9)
    assert report.main == ("speed", report.metrics["speed"])
    lines = report.table().splitlines()
    assert "speed        0.900" in lines
    assert lines.index("0       0.10") == lines.index("image  error") + 2
    report.save(tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text())["speed_by_image"]["0"] == pytest.approx([0.1, 0.1])
    paths = report.write_results(tmp_path / "results")
    assert paths == [str(tmp_path / "results" / name) for name in ("detections.json", "speeds.txt")]


def test_a_new_metric_is_logged_and_chooses_the_best_model(speed, dataset, tmp_path):
    model = Tracker(dataset)
    model.averaged, model.about = contextlib.nullcontext, About()
    callback, logs = AveragePrecision(dataset, every=2), [{}, {}]
    model.save = lambda path: path.write_text("weights")
    keep_best = KeepBest(RunFolder(tmp_path))
    for each in (callback, keep_best):
        each.set_model(model)
        each.set_params({"epochs": 4})
    for epoch in (0, 1):
        callback.on_epoch_end(epoch, logs[epoch])
        keep_best.on_epoch_end(epoch, logs[epoch])
    assert logs[0] == {}
    assert list(logs[1]) == ["val_AP", "val_AP50", "val_AP75", "val_speed"]
    assert keep_best.best == logs[1]["val_speed"] == pytest.approx(0.9)
    assert (tmp_path / "best.keras").read_text() == "weights"


def test_a_metric_is_left_out_if_its_data_are_missing(speed):
    dataset = Batches([build_batch(SCENE)])
    report = evaluate(Tracker(dataset), dataset)
    assert "speed" not in report.metrics
    assert report.main[0] == "AP"


@pytest.mark.parametrize(
    ("names", "main"),
    [
        ((), None),
        (("loss",), None),
        (("AP", "AP50", "VOC_mAP50"), "AP"),
        (("AP", "OKS_AP"), "OKS_AP"),
        (("AP_3D", "AP"), "AP_3D"),
    ],
)
def test_the_tasks_special_metric_chooses_the_best_model(names, main):
    assert main_metric(names) == main


def test_metrics_that_need_nothing_are_always_logged():
    assert logged_names() == ["AP", "AP50", "AP75"]
    assert logged_names(["AP_3D", "AP", "loss"]) == ["AP", "AP50", "AP75", "AP_3D"]
