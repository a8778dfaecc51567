"""Batches and steps that devices can share."""

import pytest

from keras_centernet import UserError
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.devices.plan import check_batch, steps_together
from keras_centernet.runs.settings import TrainSettings


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
