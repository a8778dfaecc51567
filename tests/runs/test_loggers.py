"""What logging services receive of a run; stand-ins for their packages record it."""

import importlib
import json
import math
import pathlib
import sys

import keras
import numpy as np
import pytest

from keras_centernet.cli import main
from keras_centernet.data.formats import shapes
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.runs.folder import RunFolder
from keras_centernet.runs.loggers.logger import LoggedRun
from keras_centernet.runs.loggers.table import LOGGERS, build_loggers
from keras_centernet.runs.options import options_of
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from tests.helpers.killed_runs import IMAGES, OPTIONS
from tests.helpers.tiny_backbone import TINY

STAND_INS = pathlib.Path(__file__).parents[1] / "helpers" / "stand_ins"
SERVICES = ("wandb", "mlflow")


class PulledPlugError(Exception):
    """Stops a training in these tests."""


class PullPlug(keras.callbacks.Callback):
    """Stops the training with an error after an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        raise PulledPlugError


def forget():
    for name in (*SERVICES, "mlflow.entities"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module", autouse=True)
def few_images():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "SPLIT_SIZES", IMAGES)
        patch.syspath_prepend(STAND_INS)
        forget()
        yield
        forget()


def run(output, callbacks=(), **options):
    few = {"epochs": 2, "checkpoint_every": None, "keep": 1, "tensorboard": False}
    return train(TrainSettings(output=str(output), **{"backbone": TINY} | OPTIONS | few | options), callbacks)


class Seen(keras.callbacks.Callback):
    """A user's own callback."""

    def __init__(self):
        super().__init__()
        self.epochs, self.batches = [], 0

    def on_train_batch_begin(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(dict(logs))


@pytest.fixture(scope="module")
def followed(few_images, tmp_path_factory):
    """A run that both services follow; it is stopped after its first epoch and then resumed."""
    output = tmp_path_factory.mktemp("runs") / "followed"
    logged = {"wandb": "shapes", "mlflow": "shapes"}
    with pytest.raises(PulledPlugError):
        run(output, [PullPlug()], **logged)
    states = importlib.import_module("wandb").RUNS[-1].exit_code, importlib.import_module("mlflow").RUNS["run0"].status
    seen = Seen()
    metrics = run(output, [seen], resume=True, **logged)
    return output, metrics, seen, states


def test_each_logger_is_an_option():
    assert set(LOGGERS) <= set(options_of(TrainSettings))


@pytest.mark.slow
def test_own_callbacks_are_called_after_those_of_the_run(followed):
    _, _, seen, _ = followed
    (logs,) = seen.epochs
    assert {"loss", "val_AP", "learning_rate", "seconds"} <= set(logs)
    assert seen.batches == IMAGES["train"] / OPTIONS["batch_size"]


@pytest.mark.slow
def test_weights_and_biases_gets_config_epochs_and_metrics(followed):
    output, metrics, seen, (exit_code, _) = followed
    first, second = importlib.import_module("wandb").RUNS
    assert first.options["project"] == "shapes"
    assert first.options["name"] == "followed"
    assert first.options["config"]["epochs"] == 2
    assert first.options["config"]["classes"] == list(json.loads((output / "config.json").read_text())["classes"])
    assert first.options["id"] == second.options["id"] == json.loads((output / "loggers.json").read_text())["wandb"]
    assert [row["epoch"] for row in first.rows + second.rows] == [1, 2]
    assert second.rows[0] == {"epoch": 2} | seen.epochs[0]
    assert first.summary == {}
    assert second.summary["AP"] == metrics["AP"]
    assert (exit_code, second.exit_code) == (1, 0)


@pytest.mark.slow
def test_mlflow_gets_parameters_epochs_and_metrics(followed):
    _, metrics, seen, (_, status) = followed
    mlflow = importlib.import_module("mlflow")
    (logged,) = mlflow.RUNS.values()
    assert list(mlflow.EXPERIMENTS.items()) == [("shapes", logged.experiment_id)]
    assert logged.name == "followed"
    assert logged.params["learning_rate"] == "0.002"
    assert logged.params["task"] == "detection"
    losses = [(step, value) for name, value, step in logged.metrics if name == "loss"]
    assert [step for step, _ in losses] == [1, 2]
    assert losses[1][1] == pytest.approx(seen.epochs[0]["loss"])
    assert ("AP", metrics["AP"], 2) in logged.metrics
    assert (status, logged.status) == ("KILLED", "FINISHED")


@pytest.mark.slow
def test_tensorboard_can_be_left_out(followed):
    assert not (followed[0] / "tensorboard").exists()


def test_tensorboard_shows_drawings_of_the_measured_epochs(tiny_model, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = TrainSettings("shapes", epochs=5, evaluate_every=2)
    (logger,) = build_loggers(LoggedRun(RunFolder(tmp_path), settings, {}, np.zeros((1, 64, 64, 3), np.uint8)))
    logger.set_model(tiny_model())
    logger.on_train_begin()
    for epoch in range(settings.epochs):
        logger.on_epoch_end(epoch, {"loss": 1.0})
    logger.on_train_end()
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    assert [event.step for event in events.Tensors("loss")] == [1, 2, 3, 4, 5]
    assert [event.step for event in events.Tensors("heatmaps")] == [2, 4, 5]


def build(tmp_path, project):
    settings = TrainSettings("shapes", wandb=project, tensorboard=False)
    return build_loggers(LoggedRun(RunFolder(tmp_path), settings, {}, np.zeros((1, 64, 64, 3), np.uint8)))


def test_a_lost_service_does_not_stop_training(tmp_path):
    (logger,) = build(tmp_path, "out of reach")
    with pytest.warns(
        DataWarning, match=r"1 parts of the run are missing in Weights & Biases so far; first: epoch 1 \("
    ):
        logger.on_epoch_end(0, {"loss": 3.0})


def test_values_that_are_not_finite_are_not_logged(tmp_path):
    (logger,) = build(tmp_path, "shapes")
    logger.on_epoch_end(4, {"loss": np.float32(3), "val_AP": math.nan, "val_loss": math.inf})
    logger.show_metrics({"AP": None, "APs": 0.5, "images": 4, "per_class": {}, "is_best": True})
    heard = importlib.import_module("wandb").RUNS[-1]
    assert (heard.rows, heard.summary) == ([{"epoch": 5, "loss": 3.0}], {"APs": 0.5, "images": 4.0})


def test_a_service_that_refuses_the_run_is_reported(tmp_path):
    with pytest.raises(UserError) as error:
        build(tmp_path, "forbidden")
    expected = "Weights & Biases: expected a run there, got: log in first. Mend that, or leave the option out."
    assert str(error.value) == expected


@pytest.mark.parametrize("name", SERVICES)
def test_a_missing_package_is_reported_with_its_extra(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(STAND_INS)])
    for module in (*SERVICES, "mlflow.entities"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()  # wandb makes such a folder where it runs, which is no package
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["train", "--data", "shapes", "--output", "run", f"--{name}"]) == 2
    said = f'--{name}: expected the package {name}, which is not installed. Run `pip install "keras_centernet[{name}]"`'
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [print, [print], keras.callbacks.Callback(), {"a": 1}])
def test_invalid_callbacks_are_refused(wrong, tmp_path):
    with pytest.raises(UserError, match=r"^callbacks: expected a list of keras\.callbacks\.Callback, got "):
        run(tmp_path, wrong)
