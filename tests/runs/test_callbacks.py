"""Keeping the best weights, patience, and the rows of the history."""

import contextlib
import dataclasses
import math

import pytest

from keras_centernet.about import About
from keras_centernet.evaluation.metrics.table import METRICS
from keras_centernet.runs.callbacks import KeepBest, RecordHistory
from keras_centernet.runs.folder import RunFolder
from keras_centernet.runs.history import cut_history, first_epochs


class Model:
    """The parts of a model that `KeepBest` uses."""

    stop_training = False
    averaged = contextlib.nullcontext
    about = About("mit")
    saved = None

    def save(self, path):
        path.write_bytes(b"weights")
        self.saved = self.about


@pytest.mark.parametrize(
    ("scores", "patience", "stopped_at"),
    [
        pytest.param([0.1, 0.2, 0.1, 0.1], 2, 4, id="two without a better one"),
        pytest.param([0.1, math.nan, math.nan, 0.1], 2, None, id="epochs without a measurement do not count"),
        pytest.param([0.1, 0.1, 0.2, 0.1], 2, None, id="a better one begins anew"),
        pytest.param([0.1, 0.1, 0.1, 0.1], None, None, id="never"),
        pytest.param([0.0, 0.0], 1, 2, id="an equal one is not better"),
    ],
)
def test_patience(scores, patience, stopped_at, tmp_path):
    model, keep_best = Model(), KeepBest(RunFolder(tmp_path), patience=patience)
    keep_best.set_model(model)
    stops = []
    for epoch, score in enumerate(scores):
        keep_best.on_epoch_end(epoch, {"val_AP": score})
        stops.append(model.stop_training)
    assert (stops.index(True) + 1 if True in stops else None) == stopped_at
    assert keep_best.is_done == (stopped_at is not None)
    assert keep_best.best == max(score for score in scores if score == score)


def test_the_best_model_is_chosen_by_the_tables_main_metric(tmp_path, monkeypatch):
    row = dataclasses.replace(METRICS["boxes"], main="AP_of_hands")
    monkeypatch.setitem(METRICS, "hands", row)
    keep_best = KeepBest(RunFolder(tmp_path))
    keep_best.set_model(Model())
    keep_best.on_epoch_end(0, {"val_AP": 0.9, "val_AP_of_hands": 0.1, "val_loss": 3.0})
    keep_best.on_epoch_end(1, {"val_AP": 0.1, "val_AP_of_hands": 0.2})
    assert keep_best.best == 0.2
    keep_best.on_epoch_end(2, {"val_AP": math.nan, "val_loss": 3.0})
    keep_best.on_epoch_end(3, None)
    assert (keep_best.best, keep_best.waited) == (0.2, 0)


def test_the_best_file_states_its_metrics(tmp_path):
    model, keep_best = Model(), KeepBest(RunFolder(tmp_path))
    keep_best.set_model(model)
    keep_best.on_epoch_end(0, {"loss": 2.0, "val_loss": 3.0, "val_AP": 1 / 3, "val_AP50": 0.5})
    keep_best.on_epoch_end(1, {"loss": 1.0, "val_AP": 0.1})
    assert model.saved == About("mit", {"AP": 0.333333, "AP50": 0.5})
    assert model.about == About("mit")


def test_the_history_is_cut_to_the_epochs_of_a_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    record = RecordHistory(folder)
    for epoch in range(3):
        record.on_epoch_end(epoch, {"loss": 1 / 3 + epoch})
    cut_history(folder, 2)
    assert first_epochs(folder, 9) == [{"epoch": "1", "loss": "0.333333"}, {"epoch": "2", "loss": "1.33333"}]
    record.on_epoch_end(1, {"loss": 7.0})
    assert [row["loss"] for row in first_epochs(folder, 9)] == ["0.333333", "7"]
    cut_history(folder, 0)
    assert not (folder / "history.csv").exists()
