"""What the plan promises, and batches and steps that devices can share."""

import re

import pytest

from keras_centernet import UserError, load_dataset
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.devices.plan import check_batch, plan, steps_together
from keras_centernet.runs.settings import TrainSettings


@pytest.fixture(scope="module")
def train_set():
    return load_dataset("shapes", input_size=64, batch_size=8, limit=16)


def test_one_device(train_set):
    text = plan(TrainSettings("shapes", epochs=3), Devices(["CPU"]), train_set, steps=2)
    assert re.search(r"backend +TensorFlow\n", text)
    assert re.search(r"devices +1 replica\(s\) of 1 process\(es\); here CPU\n", text)
    assert re.search(r"batch +8 images in a step, 8 per replica\n", text)
    assert re.search(r"steps +2 an epoch, 6 in 3 epochs\n", text)
    assert re.search(r"precision +float32\n", text)
    assert re.search(r"data +shapes \(train\), 1024 images, read by this process", text)


def test_a_slice_of_tpus(train_set):
    settings = TrainSettings("shapes", tpu=True, accumulate=2)
    text = plan(settings, Devices(["TPU:2", "TPU:3"], 4, 2, 1), train_set, steps=64, together=32)
    assert re.search(r"devices +4 replica\(s\) of 2 process\(es\); here TPU:2, TPU:3\n", text)
    assert re.search(r"batch +8 images in a step, 2 per replica, in 2 micro-batches\n", text)
    assert re.search(r"steps +64 an epoch, 6400 in 100 epochs, 32 per execution\nprecision +bfloat16", text)
    assert "1/2 of them read by each process" in text


@pytest.mark.parametrize(("batch_size", "accumulate"), [(9, 1), (12, 2)])
def test_a_batch_that_can_be_shared(batch_size, accumulate):
    check_batch(Devices([], 3), batch_size, accumulate)


def test_a_batch_that_cannot_be_shared():
    with pytest.raises(UserError, match=r"--batch-size: expected a multiple of the 3 device\(s\), got 8 images"):
        check_batch(Devices([], 3), 8)
    with pytest.raises(UserError, match=r"a multiple of the 3 device\(s\) times --accumulate 2, got 9 images"):
        check_batch(Devices([], 3), 9, accumulate=2)


@pytest.mark.parametrize(
    ("steps", "wanted", "together"), [(100, 1, 1), (100, 50, 50), (99, 50, 33), (7, 50, 7), (101, 10, 10), (1, 1, 1)]
)
def test_steps_that_run_together_leave_few_of_an_epoch_over(steps, wanted, together):
    assert steps_together(steps, TrainSettings("shapes", steps_per_execution=wanted)) == together


def test_steps_run_together_on_a_tpu_where_nobody_says_how_many():
    assert steps_together(640, TrainSettings("shapes")) == 1
    assert steps_together(640, TrainSettings("shapes", tpu=True)) == 32
    assert steps_together(640, TrainSettings("shapes", tpu=True, steps_per_execution=1)) == 1
