"""Shared by the tests of layers."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.networks.layers.deformable import without_xla


@pytest.fixture(params=["plain", pytest.param("xla", marks=pytest.mark.slow)])
def either_way(request):
    """Runs a test with deformable convolutions as ordinary operations, and compiled, which takes XLA seconds each."""
    with without_xla() if request.param == "plain" else contextlib.nullcontext():
        yield


@pytest.fixture
def equals_keras_in_litert(tmp_path, rng):
    """Returns a check: layers of an image (H, W, C) convert to builtin operators and equal Keras in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    def check(image_shape, layers):
        model = keras.Sequential([keras.Input(image_shape), *layers])
        for weight in model.weights:
            weight.assign(rng.normal(size=weight.shape))
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", model.call, input_signature=[tf.TensorSpec((1, *image_shape))])
        archive.write_out(tmp_path / "saved", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        runner = Interpreter(model_content=converter.convert()).get_signature_runner()
        (name,) = runner.get_input_details()
        image = rng.normal(size=(1, *image_shape)).astype("float32")
        (found,) = runner(**{name: image}).values()
        np.testing.assert_allclose(found, model(image), atol=1e-4)

    return check
