"""What `fit` compiles on JAX, by epoch: everything once, in the first. Run in a process of its own:

    KERAS_BACKEND=jax python tests/helpers/compiled_once.py

Prints as JSON the names of the functions that were traced and compiled, by epoch.
"""

import collections
import json

import jax
import keras

from keras_centernet import AveragePrecision
from tests.helpers.step_cases import DECAY, TWO_STACKS, batch, build

EPOCHS, BATCH, IMAGES, STEPS_PER_EXECUTION = 3, 2, 8, 2
EVENTS = {"/jax/core/compile/jaxpr_trace_duration": "traced", "/jax/core/compile/backend_compile_duration": "compiled"}


class Watch(keras.callbacks.Callback):
    """Records what is traced and compiled in each epoch, and checks what happens to the state of the first step."""

    def __init__(self):
        super().__init__()
        self.epoch, self.seen = "before", collections.defaultdict(list)
        self.state = None
        jax.monitoring.register_event_duration_secs_listener(self.note)

    def note(self, event, duration, **details):
        """Records an event of JAX."""
        if event in EVENTS:
            self.seen[f"{EVENTS[event]} {self.epoch}"].append(details["fun_name"])

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the epoch, which lasts until the next one begins and so includes its validation and callbacks."""
        self.epoch = epoch

    def on_train_end(self, logs=None):
        """Separates what happens after the training from the last epoch."""
        self.epoch = "after"

    def on_train_batch_begin(self, step, logs=None):
        """Keeps the first state."""
        if self.state is None:
            groups = (self.model.variables, self.model.optimizer.variables, self.model.average.own_variables)
            self.state = [variable.value for group in groups for variable in group]

    def on_train_batch_end(self, step, logs=None):
        """Checks that the step has overwritten every variable, so that none is in memory twice."""
        assert len(self.state) > 50
        assert all(array.is_deleted() for array in self.state)


def main() -> None:
    """Trains with everything that runs in each epoch: validation and callbacks."""
    model, (images, objects) = build("averaged", TWO_STACKS), batch("averaged", IMAGES)
    model.compile(average_decay=DECAY, steps_per_execution=STEPS_PER_EXECUTION)
    labels = {"boxes": objects["boxes_xyxy"][:, :1], "labels": objects["classes"][:, :1]}
    watch, measure = Watch(), AveragePrecision((images, labels))
    data = {"validation_data": (images, objects), "batch_size": BATCH, "epochs": EPOCHS}
    model.fit(images, objects, callbacks=[measure, watch], verbose=0, **data)
    assert measure.report is not None
    print(json.dumps(watch.seen))


if __name__ == "__main__":
    main()
