"""Settings: what is refused, and what the schedules do."""

import keras
import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.fitting.optimizers import Muon
from keras_centernet.networks.table import BACKBONES
from keras_centernet.runs.optimizers import build_optimizer, build_schedule
from keras_centernet.runs.options import options_of
from keras_centernet.runs.settings import TrainSettings


def rates(schedule, steps):
    rate = build_schedule(TrainSettings("shapes", epochs=140, learning_rate=1.0, schedule=schedule), 1)
    return np.array([float(rate if isinstance(rate, float) else rate(step)) for step in steps])


def test_step_schedule_is_the_published_one():
    """Epochs 1 to 90 of 140 have the highest rate; with one step per epoch these are steps 0 to 89."""
    np.testing.assert_allclose(rates("step", [0, 89, 90, 119, 120, 139]), [1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-5)


def test_step_schedule_of_given_epochs():
    settings = TrainSettings("shapes", epochs=9, learning_rate=1.0, schedule="step", step_epochs=(2, 5, 8))
    schedule = build_schedule(settings, 10)
    values = [float(schedule(step)) for step in (0, 19, 20, 49, 50, 79, 80, 89)]
    np.testing.assert_allclose(values, [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_cosine_rises_then_falls():
    values = rates("cosine", [0, 3, 70, 140])
    np.testing.assert_allclose(values, [0.01, 1, 0.53, 0.01], atol=0.02)


def test_constant():
    np.testing.assert_array_equal(rates("constant", [0, 139]), [1, 1])


def test_optimizers():
    adamw = build_optimizer(TrainSettings("shapes", clip_norm=3.0), 10)
    assert isinstance(adamw, keras.optimizers.AdamW)
    assert adamw.global_clipnorm == 3.0
    adam = build_optimizer(TrainSettings("shapes", optimizer="adam"), 10)
    assert (type(adam), adam.epsilon) == (keras.optimizers.Adam, 1e-8)
    settings = TrainSettings("shapes", optimizer="muon", clip_norm=3.0)
    muon = build_optimizer(settings, 10, {"conv1/kernel": 0.1}, ["size/kernel"])
    assert (type(muon), muon.global_clipnorm, muon.weight_decay) == (Muon, 3.0, settings.weight_decay)
    assert (muon.rates, muon.by_adam, muon.undecayed) == (
        {"conv1/kernel": 0.1},
        ("size/kernel",),
        ("bias", "beta", "gamma"),
    )


def test_parts_have_their_own_rates_only_if_asked():
    settings = TrainSettings("shapes")
    optimizer = build_optimizer(settings, 10, {"conv1/kernel": 0.1})
    assert optimizer.rates == {"conv1/kernel": 0.1}
    assert (optimizer.weight_decay, optimizer.undecayed) == (settings.weight_decay, ("bias", "beta", "gamma"))
    adam = build_optimizer(TrainSettings("shapes", optimizer="adam"), 10, {"a": 0.1})
    assert (adam.weight_decay, adam.epsilon) == (None, 1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs: expected a whole number of at least 1, got 0"),
        ({"batch_size": -1}, "batch_size: expected a whole number of at least 1 and at most 65536, got -1"),
        ({"accumulate": 0}, "accumulate: expected a whole number of at least 1, got 0"),
        ({"patience": 0}, "patience: expected a whole number of at least 1, got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every: expected a whole number of at least 1, got 0"),
        ({"keep": 0}, "keep: expected a whole number of at least 1, got 0"),
        ({"backbone_rate": 0.0}, "backbone_rate: expected a number above 0 and at most 1000, got 0.0"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number above 0 and at most 1000, got 0.0"),
        ({"schedule": "wave"}, "schedule: expected one of cosine, step, constant, got 'wave'"),
        ({"verbose": 3}, "verbose: expected one of 0, 1, 2, got 3"),
        ({"weight_decay": -1}, "weight_decay: expected a number of at least 0 and at most 1000, got -1"),
        ({"flip": 1.5}, "flip: expected a number of at least 0 and at most 1, got 1.5"),
        ({"mosaic": 1.5}, "mosaic: expected a number of at least 0 and at most 1, got 1.5"),
        ({"hsv": (0.1, 0.7, 2)}, "hsv: expected a number of at least 0 and at most 1, got 2"),
        ({"augment": "flip"}, "augment: expected module:function, got 'flip'"),
        (
            {"mosaic": 0.5, "epochs": 10, "close_mosaic": 10},
            "close_mosaic: expected fewer than the 10 epochs, as no epoch would .* got 10",
        ),
        ({"mixup": 0.5, "epochs": 3, "close_mosaic": 3}, "close_mosaic: expected fewer than the 3 epochs"),
        ({"gpus": 0}, "gpus: expected a whole number of at least 1, got 0"),
        ({"data_service": "grpc://a:1", "multi_worker": True}, "data_service: expected no multi_worker, as no seed"),
        ({"data_service": "grpc://a:1", "checkpoint_every": 9}, "data_service: expected no checkpoint_every, as no"),
        ({"optimizer": "sgd"}, "optimizer: expected one of adamw, adam, muon, got 'sgd'"),
        (
            {"schedule": "step", "epochs": 90, "step_epochs": (45, 90)},
            "step_epochs: expected ascending numbers below epochs, 90, got 45, 90",
        ),
        ({"schedule": "step", "step_epochs": (60, 45)}, "step_epochs: expected ascending .* got 60, 45"),
        ({"schedule": "step", "step_epochs": (0,)}, "step_epochs: expected ascending .* got 0"),
        ({"schedule": "step", "step_epochs": ()}, "step_epochs: expected ascending .* got none"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(UserError, match=message):
        TrainSettings("shapes", **options)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("format", ".*voc.*shapes"),
        ("backbone", "dla34, .*, mobilenet_v2"),
        ("task", "detection, detection_3d, pose"),
        ("normalization", ".*published_voc_kitti"),
        ("augmentation", "crop, shift, zoom_half, none"),
        ("loss_mean", "global_batch, replica"),
    ],
)
def test_unknown_names_list_the_known_ones(name, known):
    TrainSettings("shapes").check_names()
    TrainSettings("shapes", backbone="mine:build").check_names()
    with pytest.raises(UserError, match=rf"Unknown {name}: expected one of {known}.*; got 'help'"):
        TrainSettings("shapes", **{name: "help"}).check_names()


def test_names_that_were_added_to_a_table_are_accepted(monkeypatch):
    monkeypatch.setitem(BACKBONES, "mine", None)
    TrainSettings("shapes", backbone="mine").check_names()


def test_a_resumed_run_may_change_what_does_not_change_the_training():
    """The list that users know. All other options change the weights."""
    assert {name for name, row in options_of(TrainSettings).items() if row.may_change} == {
        # classes are compared when the data are read
        *("data", "format", "annotations", "images", "strict", "workers", "recipe", "max_pixels", "classes"),
        "data_service",
        *("weights", "backbone_weights", "epochs", "evaluate_every", "patience", "deterministic", "tpu", "gpus"),
        *(
            "tensorboard",
            "wandb",
            "mlflow",
            "multi_worker",
            "profile",
            "output",
            "overwrite",
            "resume",
            "checkpoint_every",
            "keep",
            "verbose",
            "licence",
        ),
    }


def test_shares_are_typed_with_commas():
    row = options_of(TrainSettings)["hsv"]
    assert row.parse("0.015,0.7, 0.4") == (0.015, 0.7, 0.4)
    for text in ("a,b,c", "0.1,", ""):
        with pytest.raises(UserError, match=f"expected numbers such as 0.015,0.7,0.4, got {text!r}"):
            row.parse(text)


def test_the_attributes_are_documented():
    for name, row in options_of(TrainSettings).items():
        assert f"        {name}: {row.help}" in TrainSettings.__doc__
