"""A whole run through the command: the files it leaves, Ctrl-C, and resuming."""

import csv
import json
import re
import sys

import keras
import numpy as np
import pytest

from keras_centernet import load_model
from keras_centernet.cli import main
from keras_centernet.exporting import facts_of
from keras_centernet.networks.cost import count_parameters
from keras_centernet.runs.ending.metrics_file import METRICS_FILE
from keras_centernet.runs.loggers.tensorboard import ShowInTensorBoard
from tests.helpers.tiny_backbone import TINY

OPTIONS = f"--backbone {TINY} --input-size 64 --batch-size 3 --epochs 2 --evaluate-every 1"
FILES = {
    "best.keras",
    "last.keras",
    "history.csv",
    "metrics.json",
    "config.json",
    "curves.png",
    "detections.png",
    "precision_recall.png",
    "report.html",
    "training_batch.jpg",
    "tensorboard",
}


def run(photos, output, *more):
    return main(["train", "--data", str(photos), "--output", str(output), *OPTIONS.split(), *more])


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """A run of two epochs."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    assert run(photos, output, "--license", "mit") == 0
    return output


def rows(output):
    with open(output / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_everything(finished):
    assert {path.name for path in finished.iterdir()} == FILES
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"AP", "AP50", "AP75", "APs", "APm", "APl", "per_class", "seconds"} <= set(metrics)
    assert set(metrics["per_class"]) == {"cat", "dog"}
    made_by = METRICS_FILE.read(finished / "metrics.json")["run"]
    versions = made_by["versions"]
    assert versions["keras"] == keras.__version__
    assert versions["backend"] == keras.backend.backend()
    assert {"keras_centernet", "tensorflow", "numpy", "python"} <= set(versions)
    assert made_by["seed"] == 0
    assert made_by["data"]["val"]["classes"] == ["cat", "dog"]
    assert made_by["data"]["train"]["labels"] != made_by["data"]["val"]["labels"]
    assert sys.orig_argv[-1] in made_by["command"]
    assert json.loads((finished / "config.json").read_text())["classes"] == ["cat", "dog"]
    best = load_model(finished / "best.keras")
    assert best.classes == ("cat", "dog")
    assert best.thresholds == metrics["thresholds"]
    assert metrics["parameters"] == count_parameters(best.network) < best.count_params()
    assert set(best.thresholds) <= {"cat", "dog"}
    assert load_model(finished / "last.keras").thresholds == {}


def test_the_report_shows_the_evaluation_and_a_training_batch(finished):
    titles = re.findall("<h2>(.*?)</h2>", (finished / "report.html").read_text())
    assert {"Metrics", "Classes", "Confusion", "Training images", "Speed by stage"} <= set(titles)
    drawing = keras.utils.img_to_array(keras.utils.load_img(finished / "training_batch.jpg"))
    assert drawing.shape == (320, 3 * 320 + 2 * 6, 3)  # a batch of three


def test_drawings_show_the_photos_instead_of_the_square_inputs(finished):
    drawing = keras.utils.img_to_array(keras.utils.load_img(finished / "detections.png"))
    assert len(drawing) == 44 + 4 * (360 * 48 // 72 + 8)  # four photos of 72 x 48 below the titles


def test_the_best_file_states_its_licence_and_metrics(finished):
    facts, best = facts_of(finished / "best.keras"), max(float(row["val_AP"]) for row in rows(finished))
    assert facts["licence"] == "mit"
    assert facts["metrics"]["AP"] == pytest.approx(best, rel=1e-5)
    assert not [name for name in facts["metrics"] if "loss" in name]


def test_history_has_a_row_per_epoch(finished):
    history = rows(finished)
    assert [row["epoch"] for row in history] == ["1", "2"]
    names = {
        "loss",
        "center_heatmap_loss",
        "size_loss",
        "offset_loss",
        "val_loss",
        "val_AP",
        "learning_rate",
        "seconds",
    }
    assert names <= set(history[0])
    assert all(np.isfinite(float(row["loss"])) for row in history)


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_epoch_and_resume_goes_on(photos, finished, tmp_path, monkeypatch, capsys):
    output = tmp_path / "stopped"

    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ShowInTensorBoard, "on_epoch_end", interrupt)
        assert run(photos, output) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert [row["epoch"] for row in rows(output)] == ["1"]
    assert run(photos, output) == 2  # an earlier run is not overwritten
    assert run(photos, output, "--resume", "--seed", "5") == 2
    assert "--resume: expected seed 0" in capsys.readouterr().err
    assert run(photos, output, "--resume") == 0
    assert [row["epoch"] for row in rows(output)] == ["1", "2"]
    assert int(load_model(output / "last.keras").optimizer.iterations) == 4


def test_evaluate_gives_the_metrics_of_the_run(photos, finished, tmp_path, capsys):
    output = tmp_path / "new folder" / "metrics.json"
    command = ["evaluate", "--model", str(finished / "best.keras"), "--data", str(photos), "--output", str(output)]
    assert main(command) == 0
    assert "AP50" in capsys.readouterr().out
    ours, theirs = json.loads(output.read_text()), json.loads((finished / "metrics.json").read_text())
    assert ours["per_class"] == theirs["per_class"]
    assert (output.parent / "metrics_precision_recall.png").exists()


def test_tensorboard_shows_losses_average_precision_and_drawings(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {"loss", "center_heatmap_loss", "size_loss", "offset_loss", "val_AP", "learning_rate"} <= tags
    assert {"detections", "heatmaps"} <= tags
    assert len(events.Tensors("loss")) == 2
