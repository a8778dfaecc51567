"""Messages about the data: printed lines, and aggregated warnings of one line with a count and the first case."""

import sys
import threading
import warnings
from collections.abc import Sequence

import keras
import numpy as np

from keras_centernet.errors import DataWarning
from keras_centernet.method.specs import Tensor
from keras_centernet.terminal.layout import width, wrap


def warn_counted(names: Sequence[str], what: str) -> None:
    """Issues one `DataWarning` "<count> <what>; first: <name>", or none for an empty list of names."""
    if len(names):
        warnings.warn(DataWarning(f"{len(names)} {what}; first: {names[0]}"), stacklevel=3)


def say(line: str) -> None:
    """Prints a line about the data, unless `keras.config.disable_interactive_logging` was called."""
    if keras.config.is_interactive_logging_enabled():
        print("\n".join(wrap(line, width())) if sys.stdout.isatty() else line, flush=True)


class WarningCounter:
    """Counts cases that only appear while data is being read; warns at the first case and at 10, 100, ... cases.

    Thread-safe: tf.data calls it from several threads.
    """

    def __init__(self, what: str):
        self.what, self.count, self._first = what, 0, None
        self._lock = threading.Lock()

    def add(self, name: str, cases: int = 1) -> None:
        """Adds a number of cases, the first of which was found in `name`."""
        with self._lock:
            before, self.count = self.count, self.count + cases
            self._first = self._first or name
            count = self.count
        if not before or len(str(count)) > len(str(before)):
            warnings.warn(DataWarning(f"{count} {self.what} so far; first: {self._first}"), stacklevel=2)

    def add_if(self, condition: Tensor, name: Tensor) -> None:
        """Counts one case if a scalar bool tensor is true; for use inside a graph. name: () string."""
        import tensorflow as tf

        def add(name):
            self.add(name.decode())
            return np.True_

        tf.cond(condition, lambda: tf.ensure_shape(tf.numpy_function(add, [name], tf.bool), ()), lambda: True)
