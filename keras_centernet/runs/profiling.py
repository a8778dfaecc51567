"""Where the time of a training step goes: a trace for TensorBoard, and the fraction spent waiting for images."""

import os
import time

import tensorflow as tf

from keras_centernet.runs.callbacks import InsteadOfStep

WARM_UP_STEPS = 3  # that run as usual
TRACED_STEPS = 3  # a trace of many steps is too large to look at
TIMED_STEPS = 20


class Profile(InsteadOfStep):
    """Times some steps early in a training, traces a few of them, and prints one line.

    Keras fetches a batch inside the graph of the step, where waiting cannot be told from working. The timed
    steps therefore fetch the batch first and then run the same step on it; the first of them, which compiles
    the step once more, does not count.

    Attributes:
        folder: the trace goes to its plugins/profile folder, where TensorBoard's profile plugin finds it.
        waiting, working, steps: seconds of the timed steps spent waiting for batches, and training; their number.
    """

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        self.folder = str(folder)
        self.waiting, self.working, self.steps = 0.0, 0.0, 0
        self._calls, self._is_tracing = 0, False

    def on_train_begin(self, logs=None):
        self.take_over()

    def on_train_end(self, logs=None):
        self._stop_tracing()
        if self.usual is not None:
            self._finish()

    def step(self, iterator) -> dict:
        """Runs the usual step, timed after the first few."""
        self._calls += 1
        if self._calls <= WARM_UP_STEPS:
            return self.usual(iterator)
        first_timed = WARM_UP_STEPS + 2
        if self._calls == first_timed:
            tf.profiler.experimental.start(self.folder)
            self._is_tracing = True
        start, waited = time.perf_counter(), 0.0
        for _ in range(self.model.steps_per_execution):
            asked = time.perf_counter()
            batch = next(iterator)
            waited += time.perf_counter() - asked
            outputs = self.usual(iter([batch]))
            float(outputs["loss"])  # waits for the devices, which otherwise work while Python goes on
        if self._calls >= first_timed:
            self.waiting += waited
            self.working += time.perf_counter() - start - waited
            self.steps += self.model.steps_per_execution
        if self._calls == first_timed + TRACED_STEPS - 1:
            self._stop_tracing()
        if self._calls == first_timed + TIMED_STEPS - 1:
            self._finish()
        return outputs

    def _stop_tracing(self) -> None:
        if self._is_tracing:
            tf.profiler.experimental.stop()
            self._is_tracing = False

    def _finish(self) -> None:
        self.give_back()
        print(f"\n{self.summary()}", flush=True)

    def summary(self) -> str:
        """Returns the line: seconds of a step, and the fraction of them spent waiting."""
        if not self.steps:
            return f"profile: expected at least {WARM_UP_STEPS + 2} steps, got {self._calls}; nothing timed."
        seconds = (self.waiting + self.working) / self.steps
        share = self.waiting / (self.waiting + self.working)
        times = f"{seconds:.3f} s a step over {self.steps} steps, {share:.0%} of it waiting for images"
        return f"profile: {times}; trace in {self.folder}"
