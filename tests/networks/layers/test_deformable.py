"""Deformable convolution against the published arrays and a slow loop over the definition."""

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.networks.layers.deformable import Sampling, deformable_conv, output_side, without_xla

PUBLISHED = Sampling((3, 3), padding=(1, 1))
TWO_TAPS = Sampling((2, 1), padding=(1, 1))  # XLA compiles every tap
GEOMETRIES = {
    "as published": (PUBLISHED, 4, 5),
    "multiplied before it is interpolated": (PUBLISHED, 8, 3),
    "stride 2": (Sampling((3, 3), (2, 2), (1, 1)), 3, 4),
    "dilation 2": (Sampling((3, 3), (1, 1), (2, 2), (2, 2)), 3, 4),
    "no padding, other kernel": (Sampling((2, 4), (1, 2)), 3, 4),
    "two groups of offsets": (Sampling((3, 3), padding=(1, 1), groups=2), 4, 4),
    "one tap": (Sampling((1, 1)), 2, 2),
}


def nhwc(array):
    return tf.constant(np.ascontiguousarray(array.transpose(0, 2, 3, 1)))


def slow_deformable_conv(inputs, offsets, masks, kernel, sampling):
    """The definition, one number at a time, in float64."""
    batch, height, width, channels = inputs.shape
    kernel_height, kernel_width, _, out_channels = kernel.shape
    out_height, out_width = offsets.shape[1:3]
    taps, share = kernel_height * kernel_width, channels // sampling.groups
    output = np.zeros((batch, out_height, out_width, out_channels))

    def pixel(b, y, x, c):
        return inputs[b, y, x, c] if 0 <= y < height and 0 <= x < width else 0.0

    for b, oy, ox, tap, c in np.ndindex(batch, out_height, out_width, taps, channels):
        row, column = divmod(tap, kernel_width)
        place = (c // share) * taps + tap
        y = oy * sampling.strides[0] - sampling.padding[0] + row * sampling.dilation[0] + offsets[b, oy, ox, 2 * place]
        x = ox * sampling.strides[1] - sampling.padding[1] + column * sampling.dilation[1]
        x += offsets[b, oy, ox, 2 * place + 1]
        if not (-1 < y < height and -1 < x < width):
            continue
        top, left = int(np.floor(y)), int(np.floor(x))
        down, right = y - top, x - left
        value = (1 - down) * ((1 - right) * pixel(b, top, left, c) + right * pixel(b, top, left + 1, c))
        value += down * ((1 - right) * pixel(b, top + 1, left, c) + right * pixel(b, top + 1, left + 1, c))
        output[b, oy, ox] += masks[b, oy, ox, place] * value * kernel[row, column, c]
    return output


def random_case(rng, sampling, channels, out_channels, batch=2, height=6, width=5):
    out_hw = output_side(height, sampling, 0), output_side(width, sampling, 1)
    places = sampling.groups * sampling.taps
    return [
        rng.normal(size=(batch, height, width, channels)),
        rng.normal(0, 1.5, size=(batch, *out_hw, 2 * places)),
        rng.uniform(size=(batch, *out_hw, places)),
        rng.normal(size=(*sampling.kernel_hw, channels, out_channels)),
    ]


def float32(arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


@pytest.mark.parametrize(
    ("case", "either_way"),
    [
        ("c0", "xla"),
        ("c1", "plain"),
        ("c2", "plain"),
        pytest.param("c1", "xla", marks=pytest.mark.slow),
        pytest.param("c2", "xla", marks=pytest.mark.slow),
    ],
    indirect=["either_way"],
)
def test_outputs_and_gradients_equal_the_published_ones(fixture, case, either_way):
    arrays = fixture("dcn")
    kernel = tf.constant(arrays[f"{case}_weight"].transpose(2, 3, 1, 0))
    arguments = [*(nhwc(arrays[f"{case}_{name}"]) for name in ("x", "offset", "mask")), kernel]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = deformable_conv(*arguments, PUBLISHED)
        loss = tf.reduce_sum(outputs * nhwc(arrays[f"{case}_grad_y"]))
    np.testing.assert_allclose(outputs + arrays[f"{case}_bias"], nhwc(arrays[f"{case}_y"]), atol=1e-5)
    if f"{case}_grad_x" not in arrays:  # integer offsets lie on the kinks
        return
    gradients = tape.gradient(loss, arguments)
    for gradient, name in zip(gradients, ("x", "offset", "mask"), strict=False):
        np.testing.assert_allclose(gradient, nhwc(arrays[f"{case}_grad_{name}"]), atol=2e-5, err_msg=name)
    np.testing.assert_allclose(gradients[3], arrays[f"{case}_grad_weight"].transpose(2, 3, 1, 0), atol=5e-5)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_equals_the_definition(rng, name, either_way):
    sampling, channels, out_channels = GEOMETRIES[name]
    arrays = random_case(rng, sampling, channels, out_channels)
    expected = slow_deformable_conv(*arrays, sampling)
    np.testing.assert_allclose(deformable_conv(*float32(arrays), sampling), expected, atol=2e-5)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometrys_gradient_is_the_slope_of_the_definition(rng, name, either_way):
    sampling, channels, out_channels = GEOMETRIES[name]
    arrays = random_case(rng, sampling, channels, out_channels)
    arguments = float32(arrays)
    pull = rng.normal(size=slow_deformable_conv(*arrays, sampling).shape)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        loss = tf.reduce_sum(deformable_conv(*arguments, sampling) * tf.constant(pull, tf.float32))
    gradients = tape.gradient(loss, arguments)
    step = 1e-6
    for which, gradient in enumerate(gradients):
        direction = rng.normal(size=arrays[which].shape)
        moved = [[a + sign * step * direction if i == which else a for i, a in enumerate(arrays)] for sign in (1, -1)]
        ahead, behind = (np.sum(slow_deformable_conv(*case, sampling) * pull) for case in moved)
        slope = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=2e-4, atol=2e-3)


def test_points_outside_add_nothing_and_feel_nothing(rng):
    arrays = random_case(rng, TWO_TAPS, 2, 2)
    arrays[1][..., ::2] = 100.0  # all far below the image
    arguments = float32(arrays)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = deformable_conv(*arguments, TWO_TAPS)
        loss = tf.reduce_sum(outputs)
    np.testing.assert_array_equal(outputs, 0)
    for gradient in tape.gradient(loss, arguments):
        np.testing.assert_array_equal(gradient, 0)


def test_any_batch_and_size_in_one_graph_and_under_xla(rng):
    specs = [tf.TensorSpec((None, None, None, depth)) for depth in (2, 4, 2)] + [tf.TensorSpec((2, 1, 2, 3))]
    graph = tf.function(lambda *args: deformable_conv(*args, TWO_TAPS), input_signature=specs)
    compiled = tf.function(lambda *args: deformable_conv(*args, TWO_TAPS), jit_compile=True)
    for batch, height, width in ((1, 4, 7), (3, 5, 5)):
        arguments = float32(random_case(rng, TWO_TAPS, 2, 3, batch, height, width))
        with without_xla():
            eager = deformable_conv(*arguments, TWO_TAPS)
        np.testing.assert_allclose(graph(*arguments), eager, atol=1e-5)
        np.testing.assert_allclose(compiled(*arguments), eager, atol=1e-5)


def test_graphs_without_xla_compute_the_same(rng):
    arrays = random_case(rng, TWO_TAPS, 4, 5, batch=1)

    def trace():
        graph = tf.function(lambda *args: deformable_conv(*args, TWO_TAPS)).get_concrete_function(*float32(arrays))
        return graph, any("_XlaMustCompile" in item.attr for item in graph.graph.as_graph_def().library.function)

    with without_xla():
        plain, is_compiled = trace()
    assert not is_compiled
    np.testing.assert_allclose(plain(*float32(arrays)), slow_deformable_conv(*arrays, TWO_TAPS), atol=1e-5)
    assert trace()[1]


def test_half_precision_is_close_and_keeps_its_dtype(rng):
    arrays = random_case(rng, TWO_TAPS, 4, 4)
    full = float32(arrays)
    half = [tf.cast(full[0], "bfloat16"), full[1], tf.cast(full[2], "bfloat16"), tf.cast(full[3], "bfloat16")]
    with tf.GradientTape() as tape:
        tape.watch(half)
        outputs = deformable_conv(*half, TWO_TAPS)
        loss = tf.reduce_sum(outputs)
    expected = slow_deformable_conv(*arrays, TWO_TAPS)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(outputs, "float32"), expected, atol=0.02 * np.abs(expected).max())
    for gradient, argument in zip(tape.gradient(loss, half), half, strict=True):
        assert gradient.dtype == argument.dtype
        assert np.all(np.isfinite(tf.cast(gradient, "float32")))
