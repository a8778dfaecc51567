"""What a network costs: parameters and floating-point operations."""

import math
from collections.abc import Iterator

import keras

_STATISTICS = ("moving_mean", "moving_variance")  # weights of batch normalisation that are measured, not learned


def count_parameters(network: keras.Model) -> int:
    """Returns the number of learned parameters, also of frozen layers, without batch normalisation's statistics.

    `keras.Model.count_params` counts the running statistics, too.
    """
    return sum(math.prod(weight.shape) for weight in network.weights if weight.name not in _STATISTICS)


def count_flops(network: keras.Model) -> int:
    """Returns the floating-point operations of all convolutions for one image, 2 per multiply-add.

    A kernel of n numbers is applied at every position of the smaller map: the output of a convolution, the input of a
    transposed one. A deformable convolution counts with the convolution that predicts its offsets, but without the
    interpolation.

    Args:
        network: of `build_network` with a fixed `input_hw`.
    """
    return sum(2 * kernels * min(map(math.prod, sizes)) for kernels, sizes in _convolutions(network))


def has_fixed_sizes(network: keras.Model) -> bool:
    """Whether the maps of all convolutions, also in nested models, have fixed sizes, as `count_flops` needs."""
    return all(None not in (*before, *after) for _, (before, after) in _convolutions(network))


def _convolutions(network: keras.Model) -> Iterator[tuple[int, tuple]]:
    """Yields (numbers in kernels, (H, W) of input and output) of layers with kernels, also in nested models."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _convolutions(layer)
        elif kernels := sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) == 4):
            yield kernels, (layer.input.shape[1:3], layer.output.shape[1:3])
