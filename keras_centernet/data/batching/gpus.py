"""GPUs belong to the backend of Keras: where that is not TensorFlow, TensorFlow reads on the CPU."""

import contextlib

import keras
import tensorflow as tf


def leave_gpus_to_keras() -> None:
    """Hides the GPUs from TensorFlow on other backends: it would take almost all of their memory, and not use it."""
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # a process that has used them before keeps what it has taken
            tf.config.set_visible_devices([], "GPU")
