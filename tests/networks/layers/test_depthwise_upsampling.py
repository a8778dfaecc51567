"""Depthwise upsampling, compared with a slow transposed convolution."""

import keras
import numpy as np
import pytest

from keras_centernet.networks.layers import Bilinear, DepthwiseUpsampling2D


def slow_transposed_conv(inputs, kernel, factor):
    """Every input pixel adds its kernel, f pixels apart; f / 2 pixels are cut off on every side."""
    batch, height, width, channels = inputs.shape
    side = 2 * factor
    full = np.zeros((batch, height * factor + factor, width * factor + factor, channels))
    for y, x in np.ndindex(height, width):
        top, left = y * factor, x * factor
        full[:, top : top + side, left : left + side] += inputs[:, y, x][:, None, None] * kernel[None, :, :, 0]
    half = factor // 2
    return full[:, half:-half, half:-half]


@pytest.mark.parametrize("factor", [2, 4])
def test_equals_the_transposed_convolution(rng, factor):
    layer = DepthwiseUpsampling2D(factor)
    inputs = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    layer.build(inputs.shape)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    outputs = layer(inputs)
    assert layer.compute_output_shape((2, 3, None, 4)) == (2, 3 * factor, None, 4)
    np.testing.assert_allclose(outputs, slow_transposed_conv(inputs, np.asarray(layer.kernel), factor), atol=1e-5)


def test_starts_as_bilinear_interpolation_that_fades_at_the_border():
    outputs = DepthwiseUpsampling2D(2)(np.ones((1, 3, 3, 2), "float32"))[0, :, :, 0]
    np.testing.assert_allclose(outputs[1:-1, 1:-1], 1)
    np.testing.assert_allclose(outputs[0, 0], 0.75 * 0.75)


@pytest.mark.parametrize(
    ("size", "profile"), [(4, [0.25, 0.75, 0.75, 0.25]), (8, np.array([1, 3, 5, 7, 7, 5, 3, 1]) / 8)]
)
def test_published_bilinear_profiles(size, profile):
    kernel = Bilinear()((size, size, 1, 3))
    np.testing.assert_allclose(kernel[:, :, 0, 2], np.outer(profile, profile), rtol=1e-6)


def test_dense_bilinear_kernels_carry_each_channel_to_itself(rng):
    layer = keras.layers.Conv2DTranspose(3, 4, 2, "same", use_bias=False, kernel_initializer=Bilinear())
    inputs = rng.normal(size=(1, 4, 5, 3)).astype("float32")
    np.testing.assert_allclose(layer(inputs), DepthwiseUpsampling2D(2)(inputs), atol=1e-5)


def test_saving(tmp_path, rng):
    model = keras.Sequential([keras.Input((None, None, 2)), DepthwiseUpsampling2D(4)])
    model.save(tmp_path / "up.keras")
    inputs = rng.normal(size=(1, 2, 3, 2)).astype("float32")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "up.keras")(inputs), model(inputs))


def test_runs_in_litert(equals_keras_in_litert):
    equals_keras_in_litert((4, 5, 3), [DepthwiseUpsampling2D(2), DepthwiseUpsampling2D(4)])


@pytest.mark.parametrize("factor", [0, 1, 3])
def test_odd_factors_are_refused(factor):
    with pytest.raises(ValueError, match=f"factor: expected an even number of at least 2, got {factor}"):
        DepthwiseUpsampling2D(factor)
