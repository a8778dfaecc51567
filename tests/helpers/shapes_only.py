"""Networks without values, for tests of what they are made of: a tenth of the time, and none of the memory."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Lets variables that are created in a `with` block know their shapes only."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.backend.clear_session()  # Keras would fill them at the next occasion
