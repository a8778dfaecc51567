"""What `fit` compiles on JAX, and when: once, in the first epoch. A process of its own:

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
    """Notes what is traced and compiled, by epoch, and what becomes of the state that the first step gets."""

    def __init__(self):
        super().__init__()
        self.epoch, self.seen = "before", collections.defaultdict(list)
        self.state = None
        jax.monitoring.register_event_duration_secs_listener(self.note)

    def note(self, event, duration, **details):
        """Listens to JAX."""
        if event in EVENTS:
            self.seen[f"{EVENTS[event]} {self.epoch}"].append(details["fun_name"])

    def on_epoch_begin(self, epoch, logs=None):
        """An epoch ends when the next one begins: its validation and its callbacks belong to it."""
        self.epoch = epoch

    def on_train_end(self, logs=None):
        """What follows happens once."""
        self.epoch = "after"

    def on_train_batch_begin(self, step, logs=None):
        """Holds on to the first state."""
        if self.state is None:
            groups = (self.model.variables, self.model.optimizer.variables, self.model.average.own_variables)
            self.state = [variable.value for group in groups for variable in group]

    def on_train_batch_end(self, step, logs=None):
        """The step has written over every variable: none is there twice."""
        assert len(self.state) > 50
        assert all(array.is_deleted() for array in self.state)


def main() -> None:
    """Trains with all that is called from epoch to epoch."""
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
