"""Where the time of a training step goes: a trace for TensorBoard, and the share that is spent waiting for pictures."""

import os
import time

import keras

WARM_UP_STEPS = 3  # that run as usual
TRACED_STEPS = 3  # a trace of many steps is too large to look at
TIMED_STEPS = 20


class Profile(keras.callbacks.Callback):
    """Times some steps early in a training, traces a few of them, and prints one line.

    Keras fetches a batch inside of the step's graph, where the wait cannot be told from the work. During
    the timed steps the batch is therefore fetched first and the same step then run on it; the first such
    step compiles it once more and does not count.

    Args:
        folder: the trace goes to its plugins/profile folder, where TensorBoard's profile plugin finds it.

    Attributes:
        waiting, working: seconds of the timed steps spent on waiting for batches and on training.
        steps: how many steps were timed.
    """

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        self.folder = str(folder)
        self.waiting, self.working, self.steps = 0.0, 0.0, 0
        self._calls, self._usual, self._is_tracing = 0, None, False

    def on_train_begin(self, logs=None):
        """Takes the place of the step."""
        self._usual = self.model.train_function
        self.model.train_function = self._step

    def on_train_end(self, logs=None):
        """Prints what was found, or that the training was too short."""
        self._stop_tracing()
        if self._usual is not None:
            self._finish()

    def _step(self, iterator):
        self._calls += 1
        if self._calls <= WARM_UP_STEPS:
            return self._usual(iterator)
        first_timed = WARM_UP_STEPS + 2
        if self._calls == first_timed:
            self._start_tracing()
        start, waited = time.perf_counter(), 0.0
        for _ in range(self.model.steps_per_execution):
            asked = time.perf_counter()
            batch = next(iterator)
            waited += time.perf_counter() - asked
            outputs = self._usual(iter([batch]))
            float(outputs["loss"])  # devices work on while Python goes on
        if self._calls >= first_timed:
            self.waiting += waited
            self.working += time.perf_counter() - start - waited
            self.steps += self.model.steps_per_execution
        if self._calls == first_timed + TRACED_STEPS - 1:
            self._stop_tracing()
        if self._calls == first_timed + TIMED_STEPS - 1:
            self._finish()
        return outputs

    def _start_tracing(self) -> None:
        import tensorflow as tf

        tf.profiler.experimental.start(self.folder)
        self._is_tracing = True

    def _stop_tracing(self) -> None:
        import tensorflow as tf

        if self._is_tracing:
            tf.profiler.experimental.stop()
            self._is_tracing = False

    def _finish(self) -> None:
        self.model.train_function, self._usual = self._usual, None
        print(f"\n{self.summary()}", flush=True)

    def summary(self) -> str:
        """Returns the line: time of a step, and how much of it was waiting."""
        if not self.steps:
            return f"profile: expected at least {WARM_UP_STEPS + 2} steps, got {self._calls}; nothing timed."
        seconds = (self.waiting + self.working) / self.steps
        share = self.waiting / (self.waiting + self.working)
        return (
            f"profile: {seconds:.3f} s a step over {self.steps} steps, {share:.0%} of it waiting for pictures; trace "
            f"in {self.folder}"
        )
