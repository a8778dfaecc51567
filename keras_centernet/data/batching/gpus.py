"""Leaves the GPUs to the Keras backend: if that is not TensorFlow, TensorFlow reads the data on the CPU."""

import contextlib

import keras
import tensorflow as tf


def leave_gpus_to_keras() -> None:
    """Hides the GPUs from TensorFlow on other backends, because it would reserve nearly all of their memory."""
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # if TensorFlow has used the GPUs before, it keeps its memory
            tf.config.set_visible_devices([], "GPU")
