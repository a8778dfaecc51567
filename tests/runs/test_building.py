"""The model of a run: the learning rates of its variables, and which optimizer updates them."""

import keras
import pytest

from keras_centernet.data.formats import shapes
from keras_centernet.runs.building import build_model
from keras_centernet.runs.datasets import load_datasets
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.optimizers import SCHEDULES
from keras_centernet.runs.settings import TrainSettings
from tests.helpers.tiny_backbone import deformable_backbone

SAMPLING = ("look/offset_kernel", "look/offset_bias")


def build(**options):
    """Returns the model of a run whose backbone has a deformable convolution."""
    settings = TrainSettings("shapes", input_size=64, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "SPLIT_SIZES", {"train": 16, "val": 4, "test": 4})
        data = load_datasets(settings, Devices(["CPU"]))
    return build_model(settings, data, False, deformable_backbone(), "detection")


def test_sampling_points_of_convolutions_have_their_own_rate():
    rates = build(optimizer="adam", deformable_rate=0.05, head_rates={"size": 16}).optimizer.rates
    assert rates == dict.fromkeys(SAMPLING, 0.05) | {"size/kernel": 16, "size/bias": 16}


def test_sampling_points_of_an_own_backbone_have_both_rates():
    rates = build(optimizer="adam", backbone_rate=0.1, deformable_rate=0.5).optimizer.rates
    assert {rates[path] for path in SAMPLING} == {0.05}
    assert rates["conv1/kernel"] == 0.1


def test_one_rate_for_all_needs_no_optimizer_of_our_own():
    assert set(build(optimizer="adam").optimizer.rates) == {*SAMPLING}
    assert type(build(optimizer="adam", deformable_rate=1).optimizer) is keras.optimizers.Adam


def test_muon_leaves_the_predicting_layers_to_adam():
    kernels = {path for path in build(optimizer="muon").optimizer.by_adam if path.endswith("kernel")}
    assert kernels == {"center_heatmap/kernel", "offset/kernel", "size/kernel", "look/offset_kernel"}


def test_sampling_points_at_the_rate_of_all_others_have_their_steps_too():
    """As in runs from before there was a rate for them, whose momentum a resumed run goes on with."""
    by_adam = build(optimizer="muon", deformable_rate=1).optimizer.by_adam
    assert not set(SAMPLING) & set(by_adam)


@pytest.mark.parametrize(
    ("options", "depends"),
    [
        ({"schedule": "cosine"}, True),
        ({"schedule": "step"}, True),
        ({"schedule": "step", "step_epochs": (2,)}, False),
        ({"schedule": "constant"}, False),
    ],
)
def test_whether_more_epochs_change_the_rate_of_a_step(options, depends):
    shorter, longer = (TrainSettings("x", epochs=epochs, warmup_epochs=0, **options) for epochs in (4, 8))
    schedule = SCHEDULES[options["schedule"]]
    assert schedule.depends_on_epochs(longer) is depends
    rates = [
        [rate(step) if callable(rate) else rate for step in range(40)]
        for rate in (schedule.build(shorter, 10), schedule.build(longer, 10))
    ]
    assert any(abs(float(a) - float(b)) > 1e-9 for a, b in zip(*rates, strict=True)) is depends
