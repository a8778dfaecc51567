"""What a network costs: parameters and arithmetic."""

import math

import keras


def count_parameters(network: keras.Model) -> int:
    """Returns the number of trained numbers; the statistics of batch normalisation are not counted."""
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


def count_flops(network: keras.Model) -> int:
    """Returns the floating-point operations of all convolutions for one image, 2 per multiply-add.

    A kernel of n numbers is applied at every position of the smaller side: the output of a convolution, the
    input of a transposed one. Of deformable convolutions that is the convolution and the one that
    predicts its offsets, not the interpolation.

    Args:
        network: of `build_network` with a fixed `input_hw`.
    """
    return sum(2 * _multiply_adds(layer) for layer in network.layers)


def has_fixed_sizes(network: keras.Model) -> bool:
    """Whether all layers, those of models inside too, know how large their maps are, as `count_flops` needs."""
    inner = (has_fixed_sizes(layer) for layer in network.layers if isinstance(layer, keras.Model))
    return all(inner) and all(
        None not in (*layer.input.shape[1:3], *layer.output.shape[1:3])
        for layer in network.layers
        if any(len(weight.shape) == 4 for weight in layer.weights) and not isinstance(layer, keras.Model)
    )


def _multiply_adds(layer) -> int:
    if isinstance(layer, keras.Model):
        return sum(map(_multiply_adds, layer.layers))
    kernels = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) == 4)
    if not kernels:
        return 0
    return kernels * min(math.prod(layer.input.shape[1:3]), math.prod(layer.output.shape[1:3]))
