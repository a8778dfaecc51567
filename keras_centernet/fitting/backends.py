"""The training step of the backend that Keras runs on."""

import importlib
import types

import keras

from keras_centernet.errors import look_up

# Backend -> module here with `train_step` and `test_step`, which take a model and the arguments of these methods.
STEPS = {"tensorflow": "tensorflow_step", "jax": "jax_step", "torch": "torch_step"}


def step_of_backend() -> types.ModuleType:
    """Returns the module with the steps; only that of the current backend is imported."""
    return importlib.import_module(f"keras_centernet.fitting.{look_up(STEPS, keras.backend.backend(), 'backend')}")
