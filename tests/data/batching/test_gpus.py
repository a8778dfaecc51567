"""With JAX or PyTorch as the backend, TensorFlow takes no GPU."""

import keras
import pytest
import tensorflow as tf

from keras_centernet import load_dataset


@pytest.mark.parametrize(("backend", "hidden"), [("tensorflow", []), ("jax", [([], "GPU")]), ("torch", [([], "GPU")])])
def test_tensorflow_leaves_the_gpus_to_keras_backend(backend, hidden, monkeypatch):
    asked = []
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *arguments: asked.append(arguments))
    load_dataset("shapes", input_size=64, batch_size=2, limit=4)
    assert asked == hidden
