"""How long a training will still take, estimated from the measured times of its steps and evaluations."""

import time
from collections.abc import Callable

from keras_centernet.terminal.layout import duration


class TimeLeft:
    """Measures steps, and the time from an epoch's last step to its end, with and without an evaluation.

    Args:
        steps: of an epoch.
        epochs: of the training.
        is_measured: function of an epoch, counted from 0: whether it ends with an evaluation.
        now: clock of seconds.
    """

    def __init__(
        self, steps: int, epochs: int, is_measured: Callable[[int], bool], now: Callable[[], float] = time.perf_counter
    ):
        self.steps, self.epochs, self.is_measured, self.now = steps, epochs, is_measured, now
        self._last, self._done, self._skipped = None, 0, 0
        self._seconds, self._timed, self._ends = 0.0, 0, {}

    def begin_epoch(self, skipped: int = 0) -> None:
        """Called before the first step of an epoch; its first `skipped` steps are not run."""
        self._last, self._done, self._skipped = None, 0, skipped

    def end_step(self, done: int) -> None:
        """Called when `done` steps of the epoch are done; the first call only starts the clock, as it may compile."""
        now = self.now()
        if done <= self._skipped:
            return
        if self._last is not None and done > self._done:
            self._seconds += now - self._last
            self._timed += done - self._done
        self._last, self._done = now, done

    def end_epoch(self, epoch: int) -> None:
        """Called after everything that is done at the end of an epoch."""
        if self._last is not None:
            self._ends.setdefault(self.is_measured(epoch), []).append(self.now() - self._last)

    def seconds(self, epoch: int, done: int) -> float | None:
        """Returns the seconds left after `done` steps of an epoch, counted from 0; None before a step is measured."""
        if not self._timed:
            return None
        steps = self.steps - done + self.steps * (self.epochs - epoch - 1)
        ends = [self._ends.get(self.is_measured(one)) for one in range(epoch + (done >= self.steps), self.epochs)]
        known = sum(sum(times) / len(times) for times in ends if times)
        return steps * self._seconds / self._timed + known

    def text(self, epoch: int, done: int) -> str:
        """Returns the time left in words; "" before it is measured."""
        seconds = self.seconds(epoch, done)
        if seconds is None:
            return ""
        kinds = {self.is_measured(one) for one in range(epoch + (done >= self.steps), self.epochs)}
        return f"{'' if kinds <= self._ends.keys() else 'over '}{duration(seconds)} left"
