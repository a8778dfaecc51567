"""Deformable convolution, compared with the published arrays and a slow loop over the definition."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.networks.layers.deformable import Sampling, deformable_conv, without_xla
from tests.helpers.processes import run_python
from tests.helpers.slow_deformable import (
    GEOMETRIES,
    PUBLISHED,
    check_gradients,
    check_published_gradients,
    published_case,
    random_case,
    slow_deformable_conv,
)

OF_FIXTURE = ("c0", "c1", "c2")
TWO_TAPS = Sampling((2, 1), padding=(1, 1))  # XLA compiles every tap


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
    arguments, pull, expected, expected_gradients = published_case(fixture("dcn"), case)
    arguments = float32(arguments)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = deformable_conv(*arguments, PUBLISHED)
        loss = tf.reduce_sum(outputs * pull)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    check_published_gradients(tape.gradient(loss, arguments), expected_gradients)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "names"),
    [
        ("torch", (*OF_FIXTURE, *GEOMETRIES)),
        ("jax", ("c0", "one tap")),
        pytest.param("jax", (*OF_FIXTURE, *GEOMETRIES), marks=pytest.mark.exhaustive),
    ],
)
def test_other_backends_give_the_same_outputs_and_gradients(backend, names):
    fixture = str(pathlib.Path(__file__).parents[2] / "fixtures" / "dcn.npz")
    done = run_python("tests/helpers/deformable_on_backend.py", fixture, *names, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_equals_the_definition(rng, name, either_way):
    sampling, channels, out_channels = GEOMETRIES[name]
    arrays = random_case(rng, sampling, channels, out_channels)
    expected = slow_deformable_conv(*arrays, sampling)
    np.testing.assert_allclose(deformable_conv(*float32(arrays), sampling), expected, atol=2e-5)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometrys_gradient_equals_the_definitions_slope(rng, name, either_way):
    sampling, channels, out_channels = GEOMETRIES[name]
    arrays = random_case(rng, sampling, channels, out_channels)
    arguments = float32(arrays)
    pull = rng.normal(size=slow_deformable_conv(*arrays, sampling).shape)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        loss = tf.reduce_sum(deformable_conv(*arguments, sampling) * tf.constant(pull, tf.float32))
    check_gradients(tape.gradient(loss, arguments), arrays, pull, sampling, rng)


@pytest.mark.slow
def test_points_outside_add_nothing_and_get_no_gradient(rng):
    arrays = random_case(rng, TWO_TAPS, 2, 2)
    arrays[1][..., ::2] = 100.0  # all points are far below the image
    arguments = float32(arrays)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = deformable_conv(*arguments, TWO_TAPS)
        loss = tf.reduce_sum(outputs)
    np.testing.assert_array_equal(outputs, 0)
    for gradient in tape.gradient(loss, arguments):
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.slow
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


@pytest.mark.slow
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
