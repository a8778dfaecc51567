"""Where the time of a training step goes: a trace for TensorBoard, and the fraction spent waiting for images."""

import os
import time

from keras_centernet.runs.callbacks import InsteadOfStep
from keras_centernet.runs.devices.devices import Devices

WARM_UP_STEPS = 3  # neither timed nor traced
TRACED_STEPS = 3  # a trace of many steps is too large to look at
TIMED_STEPS = 20


class Profile(InsteadOfStep):
    """Times some steps early in a training, traces a few of them, and prints one line.

    On TensorFlow, Keras fetches a batch inside the graph of the step, where waiting cannot be told from working. The
    timed steps therefore fetch the batch first and then run the same step on it; the first of them, which compiles the
    step once more, does not count. On PyTorch, Keras fetches it before the step: the time between two steps is waiting.

    Attributes:
        folder: the trace goes to its plugins/profile folder, where TensorBoard's profile plugin finds it.
        waiting, working, steps: seconds of the timed steps spent waiting for batches, and training; their number.
    """

    def __init__(self, folder: str | os.PathLike, devices: Devices):
        super().__init__()
        self.folder, self.devices = str(folder), devices
        self.waiting, self.working, self.steps = 0.0, 0.0, 0
        self._calls, self._is_tracing, self._ended = 0, False, 0.0

    def on_train_begin(self, logs=None):
        self.take_over()

    def on_train_end(self, logs=None):
        self._stop_tracing()
        if self.has_taken_over:
            self._finish()

    def step(self, state, data):
        """Runs the usual step, timed after the first few."""
        self._calls += 1
        if self._calls <= WARM_UP_STEPS:
            return self.usual(state, data)
        first_timed = WARM_UP_STEPS + 2
        if self._calls == first_timed:
            self.devices.start_trace(self.folder)
            self._is_tracing = True
        metrics, state, waited, worked = self._timed(state, data)
        if self._calls >= first_timed:
            self.waiting += waited
            self.working += worked
            self.steps += self.trained.steps_per_execution
        if self._calls == first_timed + TRACED_STEPS - 1:
            self._stop_tracing()
        if self._calls == first_timed + TIMED_STEPS - 1:
            self._finish()
        return metrics, state

    def _timed(self, state: tuple, data) -> tuple[dict, tuple, float, float]:
        """Runs the steps of one execution; returns what they return, and the seconds spent waiting and working."""
        start, waited = time.perf_counter(), 0.0
        if isinstance(data, list):
            waited = start - self._ended
            metrics, state = self._finished(state, data)
        else:
            for _ in range(self.trained.steps_per_execution):
                asked = time.perf_counter()
                batch = next(data)
                waited += time.perf_counter() - asked
                metrics, state = self._finished(state, iter([batch]))
            start += waited
        self._ended = time.perf_counter()
        return metrics, state, waited, self._ended - start

    def _finished(self, state: tuple, data) -> tuple[dict, tuple]:
        metrics, state = self.usual(state, data)
        float(metrics["loss"])  # waits for the devices, which otherwise work while Python goes on
        return metrics, state

    def _stop_tracing(self) -> None:
        if self._is_tracing:
            self.devices.stop_trace()
            self._is_tracing = False

    def _finish(self) -> None:
        self.give_back()
        print(f"\n{self.summary()}", flush=True)

    def summary(self) -> str:
        """Returns the line to print: seconds per step, and the fraction of them spent waiting."""
        if not self.steps:
            return f"profile: expected at least {WARM_UP_STEPS + 2} steps, got {self._calls}; nothing timed."
        seconds = (self.waiting + self.working) / self.steps
        share = self.waiting / (self.waiting + self.working)
        times = f"{seconds:.3f} s a step over {self.steps} steps, {share:.0%} of it waiting for images"
        return f"profile: {times}; trace in {self.folder}"
