"""Compares deformable convolution and its gradients on JAX or PyTorch with the published arrays and a slow loop.

Run in a process of its own:

    KERAS_BACKEND=jax python tests/helpers/deformable_on_backend.py dcn.npz c0 "stride 2"
"""

import sys

import keras
import numpy as np

from keras_centernet.networks.layers.deformable import deformable_conv
from tests.helpers.slow_deformable import (
    GEOMETRIES,
    PUBLISHED,
    check_gradients,
    check_published_gradients,
    published_case,
    random_case,
    slow_deformable_conv,
)


def differentiate_on_jax(arrays, pull, sampling):
    """Returns the outputs, and the gradients of sum(outputs * pull) for all arrays."""
    import jax

    outputs, pull_back = jax.vjp(lambda *arguments: deformable_conv(*arguments, sampling), *arrays)
    return outputs, pull_back(pull)


def differentiate_on_torch(arrays, pull, sampling):
    """Returns the same."""
    import torch

    arguments = [torch.tensor(array, requires_grad=True) for array in arrays]
    outputs = deformable_conv(*arguments, sampling)
    outputs.backward(torch.tensor(pull))
    return outputs, [argument.grad for argument in arguments]


DIFFERENTIATE = {"jax": differentiate_on_jax, "torch": differentiate_on_torch}


def differentiate(arrays, pull, sampling) -> tuple:
    """Returns the outputs and gradients of the current backend as NumPy arrays."""
    arrays = [np.ascontiguousarray(array, np.float32) for array in arrays]
    outputs, gradients = DIFFERENTIATE[keras.backend.backend()](arrays, np.float32(pull), sampling)
    return keras.ops.convert_to_numpy(outputs), [keras.ops.convert_to_numpy(gradient) for gradient in gradients]


def compare_with_published(case: str, fixture: dict) -> None:
    """Checks that outputs and all gradients are the published ones."""
    arguments, pull, expected, expected_gradients = published_case(fixture, case)
    outputs, gradients = differentiate(arguments, pull, PUBLISHED)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    check_published_gradients(gradients, expected_gradients)


def compare_with_the_definition(geometry: str) -> None:
    """Checks that outputs are those of the definition, and gradients are its slopes."""
    sampling, channels, out_channels = GEOMETRIES[geometry]
    rng = np.random.default_rng(7)
    arrays = random_case(rng, sampling, channels, out_channels)
    expected = slow_deformable_conv(*arrays, sampling)
    pull = rng.normal(size=expected.shape)
    outputs, gradients = differentiate(arrays, pull, sampling)
    np.testing.assert_allclose(outputs, expected, atol=2e-5)
    check_gradients(gradients, arrays, pull, sampling, rng)


def main(path: str, *names: str) -> None:
    """Checks each named case of the fixture and each named geometry."""
    fixture = dict(np.load(path))
    for name in names:
        print(name, flush=True)
        if name in GEOMETRIES:
            compare_with_the_definition(name)
        else:
            compare_with_published(name, fixture)


if __name__ == "__main__":
    main(*sys.argv[1:])
