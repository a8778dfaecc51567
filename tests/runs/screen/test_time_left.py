"""The remaining time of a training: estimated from measured steps, or not shown."""

import pytest

from keras_centernet.runs.screen.time_left import TimeLeft


class Clock:
    """A clock whose seconds pass only in `wait`."""

    seconds = 0.0

    def __call__(self):
        return self.seconds

    def wait(self, seconds):
        self.seconds += seconds


def run_epoch(left, clock, epoch, end, step=2.0, first=100.0, skipped=0):
    left.begin_epoch(skipped)
    for done in range(1, left.steps + 1):
        clock.wait(0 if done <= skipped else first if done == skipped + 1 else step)
        left.end_step(done)
    clock.wait(end)
    left.end_epoch(epoch)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def left(clock):
    """The time left of 6 epochs with 10 steps; every third epoch is measured."""
    return TimeLeft(10, 6, lambda epoch: (epoch + 1) % 3 == 0, clock)


def test_no_time_is_shown_before_two_steps(left, clock):
    left.begin_epoch()
    assert left.text(0, 0) == ""
    clock.wait(100)
    left.end_step(1)  # the first step compiles
    assert left.text(0, 1) == ""
    clock.wait(2)
    left.end_step(2)
    assert left.seconds(0, 2) == pytest.approx(58 * 2)
    assert left.text(0, 2) == "over 2 min left"


def test_evaluations_count_after_one_was_measured(left, clock):
    run_epoch(left, clock, 0, end=1)
    run_epoch(left, clock, 1, end=3)
    assert left.seconds(1, 10) == pytest.approx(4 * 20 + 2 * 2)  # ends of epochs 4 and 5; 3 and 6 are measured
    assert left.text(1, 10).startswith("over ")
    run_epoch(left, clock, 2, end=50)
    assert left.seconds(2, 10) == pytest.approx(3 * 20 + 2 * 2 + 50)
    assert left.text(2, 10) == "2 min left"


def test_steps_of_an_earlier_process_are_not_measured(left, clock):
    run_epoch(left, clock, 0, end=1, skipped=8)
    assert left.seconds(0, 10) == pytest.approx(5 * 20 + 3)


def test_several_steps_at_once(left, clock):
    left.begin_epoch()
    for done in (5, 10):
        clock.wait(10)
        left.end_step(done)
    assert left.seconds(0, 10) == pytest.approx(5 * 20)
