"""PartwiseAdam against Keras' Adam on each part; Muon against Keras' Muon on matrices and NumPy's SVD."""

import keras
import numpy as np
import pytest

from keras_centernet.fitting.optimizers import Muon, PartwiseAdam, orthogonalize


def build_variables():
    return [
        keras.Variable(np.float32([1, -2, 3]), name=name) for name in ("slow_kernel", "slow_bias", "kernel", "bias")
    ]


def train(optimizer, variables):
    rng = np.random.default_rng(1)
    optimizer.build(variables)
    for _ in range(5):
        gradients = rng.normal(size=(4, 3)).astype("float32")
        by_name = dict(zip(("slow_kernel", "slow_bias", "kernel", "bias"), gradients, strict=True))
        optimizer.apply([keras.ops.convert_to_tensor(by_name[variable.name]) for variable in variables])
    return [np.asarray(variable) for variable in variables]


@pytest.mark.parametrize("decay", [None, 0.1])
@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_factor_acts_like_an_optimizer_with_another_rate(factor, decay):
    variables = build_variables()
    paths = [variable.path for variable in variables[:2]]
    options = {"weight_decay": decay} | ({"undecayed": ["bias"]} if decay else {})
    found = train(PartwiseAdam(0.1, dict.fromkeys(paths, factor), **options), variables)
    for rate, part in ((0.1 * factor, slice(0, 2)), (0.1, slice(2, 4))):
        oracle = keras.optimizers.Adam(rate, weight_decay=decay)
        if decay:
            oracle.exclude_from_weight_decay(var_names=["bias"])
        np.testing.assert_allclose(found[part], train(oracle, build_variables()[part]), rtol=1e-6)


def test_it_is_rebuilt_from_its_configuration():
    optimizer = PartwiseAdam(0.1, {"a/kernel": 0.1, "b/kernel": 16.0}, undecayed=("bias",), weight_decay=0.02)
    other = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(other, PartwiseAdam)
    assert other.get_config() == optimizer.get_config()
    assert (other.rates, other.undecayed) == ({"a/kernel": 0.1, "b/kernel": 16.0}, ("bias",))


def test_configurations_with_a_single_factor_are_read():
    config = PartwiseAdam(0.1).get_config()
    del config["rates"]
    before = PartwiseAdam.from_config(config | {"slow_paths": ["a", "b"], "slow_factor": 0.1})
    assert before.rates == {"a": 0.1, "b": 0.1}


KERNELS = {"dense/kernel": (6, 4), "wide/kernel": (3, 5)}
OTHERS = {"depthwise/kernel": (3, 3, 5, 1), "size/kernel": (1, 1, 4, 2), "dense/bias": (4,)}


def step_five_times(optimizer, shapes, as_matrices=False):
    """Returns the variables after five steps. Their start and gradients depend on their paths."""
    variables, gradients = [], []
    for path, shape in shapes.items():
        start, *steps = np.random.default_rng(len(path)).normal(size=(6, *shape)).astype("float32")
        if as_matrices:
            start, *steps = (values.reshape(-1, values.shape[-1]) for values in (start, *steps))
        variables.append(keras.Variable(start, name=path.replace("/", "_")))
        gradients.append(steps)
    optimizer.build(variables)
    for step in zip(*gradients, strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in step])
    return [np.asarray(variable) for variable in variables]


def test_muon_changes_matrices_as_keras_muon_does():
    ours = step_five_times(Muon(0.01, step_rms=0.2), KERNELS)
    theirs = step_five_times(keras.optimizers.Muon(0.01, weight_decay=None, adam_weight_decay=None), KERNELS)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_muon_treats_a_convolution_as_a_matrix_with_a_column_per_output_channel():
    shapes = {"conv/kernel": (3, 3, 2, 7)}
    found, matrix = (step_five_times(Muon(0.01), shapes, as_matrices)[0] for as_matrices in (False, True))
    np.testing.assert_allclose(found.reshape(matrix.shape), matrix, rtol=1e-5)


def test_muon_steps_by_adam_for_biases_depthwise_kernels_and_last_layers():
    ours = step_five_times(Muon(0.01, by_adam=["size_kernel"], weight_decay=0.1, undecayed=["bias"]), OTHERS)
    adam = keras.optimizers.Adam(0.01, weight_decay=0.1)
    adam.exclude_from_weight_decay(var_names=["bias"])
    for found, expected in zip(ours, step_five_times(adam, OTHERS), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_muon_has_rates_and_decay_for_parts():
    def train(rate, **options):
        return step_five_times(Muon(rate, weight_decay=0.1, **options), KERNELS)

    found, slow, fast = train(0.1, rates={"wide_kernel": 0.25}), train(0.025), train(0.1)
    np.testing.assert_allclose(found[0], fast[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], slow[1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(40, 8), (8, 40), (16, 10)])
def test_orthogonalized_matrices_keep_their_singular_vectors(shape, rng):
    matrix = rng.normal(size=shape).astype("float32")
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    in_their_frame = left.T @ np.asarray(orthogonalize(keras.ops.convert_to_tensor(matrix))) @ right.T
    singular = np.diag(in_their_frame)
    assert singular.min() > 0.6
    assert singular.max() < 1.25
    np.testing.assert_allclose(in_their_frame, np.diag(singular), atol=1e-4)


def test_muon_is_rebuilt_from_its_configuration():
    optimizer = Muon(0.1, ["size/kernel"], 0.9, 0.3, rates={"a/kernel": 0.1}, undecayed=("bias",), weight_decay=0.02)
    other = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(other, Muon)
    assert other.get_config() == optimizer.get_config()
    assert (other.by_adam, other.momentum, other.step_rms) == (("size/kernel",), 0.9, 0.3)
