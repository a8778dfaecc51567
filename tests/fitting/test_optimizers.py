"""Adam by parts against Keras' own on each part alone."""

import keras
import numpy as np
import pytest

from keras_centernet.fitting.optimizers import PartwiseAdam


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
def test_some_variables_learn_and_decay_as_with_another_rate(factor, decay):
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


def test_files_that_had_one_factor_are_read():
    config = PartwiseAdam(0.1).get_config()
    del config["rates"]
    before = PartwiseAdam.from_config(config | {"slow_paths": ["a", "b"], "slow_factor": 0.1})
    assert before.rates == {"a": 0.1, "b": 0.1}
