"""The layer DeformableConv2D: its initial state, saving, errors, and the runtimes it is exported to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.networks.layers import DeformableConv2D


def test_equals_the_published_module(fixture):
    arrays = fixture("dcn")
    layer = DeformableConv2D(8)
    layer.build((None, None, None, 6))
    layer.set_weights(
        [
            arrays["m_weight"].transpose(2, 3, 1, 0),
            arrays["m_bias"],
            arrays["m_conv_offset_mask_weight"].transpose(2, 3, 1, 0),
            arrays["m_conv_offset_mask_bias"],
        ]
    )
    outputs = layer(arrays["m_x"].transpose(0, 2, 3, 1))
    np.testing.assert_allclose(outputs, arrays["m_y"].transpose(0, 2, 3, 1), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": 2},
        {"dilation_rate": 2, "kernel_size": (3, 5)},
        {"padding": 0, "offset_groups": 3},
        {"padding": (2, 0), "use_bias": False},
    ],
)
def test_a_new_layer_is_half_a_plain_convolution(rng, options, either_way):
    layer = DeformableConv2D(4, **options)
    images = rng.normal(size=(2, 9, 8, 6)).astype("float32")
    outputs = layer(images)
    assert layer.compute_output_shape((2, 9, 8, 6)) == tuple(outputs.shape)
    (top, left), sampling = layer.sampling.padding, layer.sampling
    padded = np.pad(images, [(0, 0), (top, top), (left, left), (0, 0)])
    plain = tf.nn.conv2d(padded, layer.kernel.value, sampling.strides, "VALID", dilations=sampling.dilation)
    np.testing.assert_allclose(outputs, plain / 2, atol=1e-4)


@pytest.mark.slow
def test_training_moves_the_sampling_points_to_the_target():
    """The target is the image shifted by one pixel, which a 1x1 kernel can only reach by its offsets."""
    images = keras.random.normal((8, 12, 12, 1), seed=1)
    smooth = keras.ops.average_pool(images, 3, 1, "same")
    truth = keras.ops.roll(smooth, -1, axis=2)
    layer = DeformableConv2D(1, 1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((12, 12, 1)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(smooth, truth, epochs=60, verbose=0, batch_size=8)
    dx = layer.predict_sampling(smooth)[0][..., 1]
    assert 0.8 < float(keras.ops.mean(dx)) < 1.2


def test_saving(tmp_path, rng):
    layer = DeformableConv2D(4, (2, 1), strides=(1, 2), padding=(1, 0), dilation_rate=1, offset_groups=2)
    model = keras.Sequential([keras.Input((None, None, 6)), layer])
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    model.save(tmp_path / "one.keras")
    images = rng.normal(size=(1, 5, 6, 6)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "one.keras")
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)


def test_mixed_precision(rng):
    layer = DeformableConv2D(4, (2, 1), dtype="mixed_bfloat16")
    outputs = layer(rng.normal(size=(1, 5, 6, 6)))
    assert outputs.dtype == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@pytest.mark.slow
def test_converts_to_builtin_operators_and_runs_there(equals_keras_in_litert):
    equals_keras_in_litert((9, 7, 4), [DeformableConv2D(5, (2, 1))])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters and offset_groups: expected positive numbers, got 0 and 1"),
        ({"filters": 2, "kernel_size": 0}, "kernel_size: expected a whole number of at least 1"),
        ({"filters": 2, "strides": (1, 2, 3)}, r"strides: expected .*, got \(1, 2, 3\)"),
        ({"filters": 2, "padding": -1}, "padding: expected a whole number of at least 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        DeformableConv2D(**options)


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="offset_groups: expected a divisor of the 4 input channels, got 3"):
        DeformableConv2D(2, offset_groups=3).build((None, None, None, 4))
