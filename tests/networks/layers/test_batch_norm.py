"""The fused layer, compared with Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.networks.layers import BatchNormalization


def pair():
    fused = BatchNormalization()
    plain = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    for layer in (fused, plain):
        layer.build((None, None, None, 3))
        layer.set_weights([np.float32(v) for v in ([1.5, 0.5, 1], [0, 0.2, -1], [0.3, 0, 1], [1, 2, 0.5])])
    return fused, plain


@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_equal_keras(rng, training):
    inputs = tf.constant(rng.normal(1, 2, (4, 5, 6, 3)).astype("float32"))
    results = []
    for layer in pair():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            loss = tf.reduce_sum(outputs**3)
        results.append([outputs, *tape.gradient(loss, [inputs, *layer.trainable_variables])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)


def test_moving_statistics_take_the_unbiased_variance(rng):
    inputs = rng.normal(1, 2, (2, 3, 4, 3)).astype("float32")
    fused, _ = pair()
    fused(inputs, training=True)
    rows = inputs.reshape(-1, 3)
    np.testing.assert_allclose(fused.moving_mean, 0.9 * np.array([0.3, 0, 1]) + 0.1 * rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(
        fused.moving_variance, 0.9 * np.array([1, 2, 0.5]) + 0.1 * rows.var(0, ddof=1), rtol=1e-5
    )


def test_a_frozen_layer_keeps_its_statistics(rng):
    fused, _ = pair()
    fused.trainable = False
    fused(rng.normal(size=(2, 3, 4, 3)).astype("float32"), training=True)
    np.testing.assert_array_equal(fused.moving_mean, np.float32([0.3, 0, 1]))


def test_half_precision_keeps_float32_statistics(rng):
    layer = BatchNormalization(dtype="mixed_bfloat16")
    outputs = layer(rng.normal(size=(2, 3, 4, 3)), training=True)
    assert outputs.dtype == "bfloat16"
    assert layer.moving_mean.dtype == "float32"


def test_saving():
    assert BatchNormalization.from_config(BatchNormalization(name="bn").get_config()).momentum == 0.9
