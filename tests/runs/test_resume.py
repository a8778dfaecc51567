"""A training that was stopped goes on as if nothing had happened, wherever that was."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_centernet import UserError, load_model
from keras_centernet.backbones import BACKBONES
from keras_centernet.data import shapes
from keras_centernet.model import CenterNet
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from tests.killed_runs import IMAGES, OPTIONS, differences
from tests.tiny_backbone import TINY, add_tiny_backbone


class PulledPlugError(Exception):
    """What stops a training in these tests."""


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A network and a data set that train in seconds."""
    monkeypatch.setattr(shapes, "SPLIT_SIZES", IMAGES)
    monkeypatch.setitem(BACKBONES, TINY, None)
    add_tiny_backbone()


@pytest.fixture
def stop_after(monkeypatch):
    """stop_after(steps): the next trainings stop after so many batches."""

    def prepare(steps):
        fit, done = CenterNet.fit, []

        def stop(batch, logs):
            done.append(batch)
            if len(done) == steps:
                raise PulledPlugError

        plug = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        monkeypatch.setattr(
            CenterNet, "fit", lambda self, *args, callbacks, **rest: fit(self, *args, callbacks=[*callbacks, plug], **rest)
        )

    return prepare


def run(output, **options):
    return train(TrainSettings(output=str(output), **{"backbone": TINY} | OPTIONS | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "SPLIT_SIZES", IMAGES)
        patch.setitem(BACKBONES, TINY, None)
        add_tiny_backbone()
        run(output)
    return output


def test_two_runs_with_one_seed_are_equal(whole, tmp_path):
    run(tmp_path / "again")
    assert differences(whole, tmp_path / "again") == []


@pytest.mark.parametrize(
    ("steps", "epoch", "batch"),
    [
        pytest.param(9, 1, 2, id="inside the second epoch"),
        pytest.param(13, 2, 0, id="at the end of an epoch"),
        pytest.param(3, 0, 0, id="before the first checkpoint"),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_end(whole, tmp_path, stop_after, monkeypatch, steps, epoch, batch):
    with monkeypatch.context():
        stop_after(steps)
        with pytest.raises(PulledPlugError):
            run(tmp_path)
        monkeypatch.undo()
    monkeypatch.setattr(shapes, "SPLIT_SIZES", IMAGES)
    monkeypatch.setitem(BACKBONES, TINY, None)
    add_tiny_backbone()
    if epoch or batch:
        state = np.load(_state(tmp_path))
        assert (int(state["epoch"]), int(state["batch"])) == (epoch, batch)
    run(tmp_path, resume=True)
    assert differences(whole, tmp_path) == []


def _state(output):
    import io
    import zipfile

    with zipfile.ZipFile(output / "last.keras") as archive:
        return io.BytesIO(archive.read("training_state.npz"))
