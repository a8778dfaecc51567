"""What each device is fed with: all together get the batches that one device would get."""

import json

import pytest

from keras_centernet.data.formats import shapes
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.datasets import load_datasets
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.settings import TrainSettings
from tests.helpers.processes import run_python

SETTINGS = {"input_size": 32, "batch_size": 4, "task": "detection", "seed": 5, "epochs": 3}
# Two devices must be made before TensorFlow starts. Prints the image ids of each step by replica.
TWO_DEVICES = """
import json, sys
import tensorflow as tf
from keras_centernet.data.formats import shapes
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.datasets import load_datasets
from keras_centernet.runs.devices.tensorflow import TensorFlowDevices
from keras_centernet.runs.settings import TrainSettings

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
shapes.SPLIT_SIZES.update(train=14, val=7)
settings = TrainSettings("shapes", **json.loads(sys.argv[1]))
steps = {}
for devices in (1, 2):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if devices == 2 else tf.distribute.get_strategy()
    several = TensorFlowDevices(strategy)
    data = load_datasets(settings, several)
    fed = data.to_fit(several, settings, Progress(1, 1, data.steps_per_epoch))
    for name in ("x", "validation_data"):
        batches = [strategy.experimental_local_results(objects["image_id"]) for _, objects in fed[name]]
        steps[f"{name}{devices}"] = [[ids.numpy().tolist() for ids in of_step] for of_step in batches]
print(json.dumps(steps))
"""


@pytest.mark.slow
def test_two_devices_share_the_batches_of_one():
    done = run_python("-c", TWO_DEVICES, json.dumps(SETTINGS))
    assert done.returncode == 0, done.stderr[-2000:]
    steps = json.loads(done.stdout.splitlines()[-1])
    assert len(steps["x1"]) == 2 * 3 - 1  # two epochs of 14 // 4 steps, without the first step
    assert [[*first, *second] for first, second in steps["x2"]] == [whole for (whole,) in steps["x1"]]
    assert {len(ids) for step in steps["x2"] for ids in step} == {2}
    whole = [ids for (of_step,) in steps["validation_data1"] for ids in of_step]
    assert [ids for step in steps["validation_data2"] for of_replica in step for ids in of_replica] == whole[:4]


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(shapes, "SPLIT_SIZES", {"train": 14, "val": 7, "test": 7})
    return load_datasets(TrainSettings("shapes", **SETTINGS), Devices(["CPU"]))


def test_validation_losses_are_computed_in_the_epochs_that_are_measured(data):
    settings = TrainSettings("shapes", **(SETTINGS | {"epochs": 5, "evaluate_every": 2}))
    fed = data.to_fit(Devices(["CPU"]), settings, Progress(0, 0, data.steps_per_epoch))
    assert fed["validation_freq"] == [2, 4, 5]


def ids_of(data, devices, skip, name="x"):
    fed = data.to_fit(devices, TrainSettings("shapes", **SETTINGS), Progress(0, skip, data.steps_per_epoch))
    return [objects["image_id"].numpy().tolist() for _, objects in fed[name]]


@pytest.mark.slow
@pytest.mark.parametrize("skip", [0, 2])
def test_processes_divide_the_batches_of_one_between_them(data, skip):
    shares = [ids_of(data, Devices(["CPU"], 2, 2, index), skip) for index in range(2)]
    both = [first + second for first, second in zip(*shares, strict=True)]
    assert both == ids_of(data, Devices(["CPU"]), skip)
    assert len(both) == 3 * 3 - skip
    val = [ids_of(data, Devices(["CPU"], 2, 2, index), skip, "validation_data") for index in range(2)]
    assert [[len(ids) for ids in share] for share in val] == [[2], [2]]  # 7 images: the partial batch is left out
    assert len({image_id for share in val for ids in share for image_id in ids}) == 4


@pytest.mark.slow
def test_on_pytorch_batches_that_are_skipped_are_blank(data):
    from keras_centernet.runs.devices.torch import TorchDevices

    assert ids_of(data, TorchDevices(), 0) == ids_of(data, Devices(["CPU"]), 0)
    skipped = ids_of(data, TorchDevices(), 2)
    assert skipped == [[0] * 4] * 2 + ids_of(data, Devices(["CPU"]), 2)
