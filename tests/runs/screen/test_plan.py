"""The plan that a run prints before it trains."""

import re

import pytest

from keras_centernet import CenterNet
from keras_centernet.data.formats import shapes
from keras_centernet.networks.cost import count_parameters
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.datasets import load_datasets
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.optimizers import describe_rate
from keras_centernet.runs.screen.plan import plan
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.texts import cells
from tests.helpers.tiny_backbone import TINY, deformable_backbone


@pytest.fixture(scope="module")
def data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "SPLIT_SIZES", {"train": 16, "val": 4, "test": 4})
        yield load_datasets(settings(), Devices(["CPU"]))


@pytest.fixture
def model(tiny_model):
    return tiny_model()


def settings(**options):
    return TrainSettings("shapes", backbone=TINY, input_size=64, **options)


def rows(text):
    """{title: text} of a plan."""
    found, title = {}, None
    for line in text.splitlines():
        title = line[:11].strip() or title
        found[title] = f"{found.get(title, '')} {line[11:]}".strip()
    return found


def test_everything_is_named(data, model):
    options = {"epochs": 3, "warmup_epochs": 1, "mosaic": 0.5, "close_mosaic": 1, "freeze": ("bn1",)}
    options |= {"recipe": "detection", "head_rates": {"size": 16}}
    said = rows(plan(settings(output="runs/猫", **options), Devices(["CPU"]), data, model, Progress(), 100))
    assert re.fullmatch(
        rf"tiny, {count_parameters(model.network):,} parameters, [\d.]+ GFLOP an image", said["network"]
    )
    assert (said["task"], said["input"], said["precision"]) == (
        "detection, recipe detection",
        "64 x 64 pixels",
        "float32",
    )
    assert said["classes"] == f"{len(model.classes)}: {', '.join(model.classes)}"
    assert re.fullmatch(r"16 images, \d+ objects: shapes \(train\)", said["train"])
    assert re.fullmatch(
        r"4 images, \d+ objects: shapes \(val\), measured every 5 epochs and after the last", said["val"]
    )
    assert (said["batch"], said["steps"]) == ("8 images in a step", "2 an epoch, 6 in 3 epochs")
    rate = "at most 0.002, 1 epoch of warm-up, then a cosine"
    assert said["optimizer"] == f"adamw, learning rate {rate}; running average 0.9998; size rate times 16; frozen: bn1"
    assert said["images"] == "augmentation crop, mirrored 0.5, mosaic 0.5 in the first 2 epochs, colours changed"
    assert said["devices"].startswith("CPU, by ")
    assert said["output"] == "runs/猫"
    assert "min" not in said["time"]


def test_the_input_is_named_height_first(data, tiny_model):
    said = rows(plan(settings(), Devices(["CPU"]), data, tiny_model(input_size=(64, 96)), Progress(), 100))
    assert said["input"] == "64 x 96 pixels"


def test_the_rate_of_deformable_convolutions_is_shown_for_networks_that_have_them(data, model):
    run = settings(deformable_rate=0.05)
    assert "deformable" not in rows(plan(run, Devices(["CPU"]), data, model, Progress(), 100))["optimizer"]
    deformable = CenterNet(deformable_backbone(), classes=model.classes, input_size=64)
    said = rows(plan(run, Devices(["CPU"]), data, deformable, Progress(), 100))
    assert said["optimizer"].endswith("; deformable rate times 0.05")


def test_images_of_many_objects_are_not_joined_to_mosaics(data, model):
    said = rows(plan(settings(mosaic=1.0, mosaic_below=0.5), Devices(["CPU"]), data, model, Progress(), 200))
    expected = (
        "augmentation crop, mirrored 0.5, no mosaics, as images hold 0.5 objects or more on average, colours changed"
    )
    assert said["images"] == expected


def test_several_devices_and_a_resumed_run(data, model):
    devices = Devices(["TPU:2", "TPU:3"], 4, 2, 1)
    progress = Progress(epoch=1, batch=1, steps_per_epoch=2)
    said = rows(plan(settings(tpu=True, accumulate=2), devices, data, model, progress, 100))
    assert said["devices"].startswith("4 replica(s) of 2 process(es); here TPU:2, TPU:3, by ")
    assert said["batch"] == "8 images in a step, 2 per replica, in 2 micro-batches"
    assert said["steps"] == "2 an epoch, 200 in 100 epochs, 3 of them done"
    assert said["precision"] == "bfloat16, weights and losses float32"
    assert "1/2 of them read by each process" in said["train"]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("output", ["x" * 300, "猫" * 90, "e\u0301" * 200, "a b " * 60], ids=range(4))
def test_no_line_is_longer_than_the_terminal(columns, output, data, model):
    text = plan(settings(output=output), Devices(["CPU"]), data, model, Progress(), columns)
    assert max(map(cells, text.splitlines())) <= columns
    assert output.replace(" ", "") in "".join(text.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"schedule": "cosine", "epochs": 9, "warmup_epochs": 1.5},
            "at most 0.002, 1.5 epochs of warm-up, then a cosine",
        ),
        ({"warmup_epochs": 0}, "at most 0.002, a cosine"),
        ({"schedule": "step", "epochs": 14}, "0.002, a tenth after epochs 9, 12"),
        ({"schedule": "step", "step_epochs": [5]}, "0.002, a tenth after epochs 5"),
        ({"schedule": "constant"}, "0.002, constant"),
    ],
)
def test_the_schedule_of_the_rate_is_described(options, words):
    assert describe_rate(settings(**options)) == words
