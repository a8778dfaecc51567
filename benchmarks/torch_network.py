"""Our networks run by PyTorch, operator by operator, for comparison of speed."""

import keras
import numpy as np
import torch
from torch.nn import functional


class TorchNetwork:
    """A functional Keras network of the layers that the plain networks use, in PyTorch's own layout.

    Args:
        network: of `keras_centernet.networks.build.build_network`, without deformable convolutions.
    """

    def __init__(self, network: keras.Model):
        self._network = network
        self._run = {layer.name: _translate(layer) for layer in network.layers}

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Returns all output maps (B, C, Hf, Wf) of normalised images (B, 3, H, W)."""
        values = {id(self._network.inputs[0]): images}
        for layer in self._network.layers[1:]:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            values[id(layer.output)] = self._run[layer.name](*(values[id(tensor)] for tensor in inputs))
        return [values[id(tensor)] for tensor in self._network.outputs]


def _translate(layer):
    return TRANSLATIONS[type(layer).__name__](layer)


def _kernel(layer) -> torch.Tensor:
    return torch.tensor(np.array(layer.kernel).transpose(3, 2, 0, 1).copy())


def _conv(layer):
    kernel, stride = _kernel(layer), layer.strides
    bias = torch.tensor(np.array(layer.bias)) if layer.use_bias else None
    padding = tuple(side // 2 for side in layer.kernel_size) if layer.padding == "same" else 0
    activate = functional.relu if layer.activation.__name__ == "relu" else lambda x: x
    return lambda x: activate(functional.conv2d(x, kernel, bias, stride, padding))


def _deconv(layer):
    kernel = _kernel(layer)
    return lambda x: functional.conv_transpose2d(x, kernel, None, 2, 1)


def _depthwise_up(layer):
    kernel, factor = _kernel(layer), layer.factor
    return lambda x: functional.conv_transpose2d(x, kernel, None, factor, factor // 2, groups=x.shape[1])


def _batch_norm(layer):
    mean, variance, gamma, beta = (
        torch.tensor(np.array(v)) for v in (layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta)
    )
    return lambda x: functional.batch_norm(x, mean, variance, gamma, beta, eps=layer.epsilon)


def _pad(layer):
    (top, bottom), (left, right) = layer.padding
    return lambda x: functional.pad(x, (left, right, top, bottom))


TRANSLATIONS = {
    "InputLayer": lambda layer: None,
    "Conv2D": _conv,
    "Conv2DTranspose": _deconv,
    "DepthwiseUpsampling2D": _depthwise_up,
    "BatchNormalization": _batch_norm,
    "ZeroPadding2D": _pad,
    "ReLU": lambda layer: functional.relu,
    "Activation": lambda layer: functional.relu,
    "Add": lambda layer: torch.add,
    "Concatenate": lambda layer: lambda *parts: torch.cat(parts, 1),
    "MaxPooling2D": lambda layer: lambda x: functional.max_pool2d(x, layer.pool_size, layer.strides),
    "UpSampling2D": lambda layer: lambda x: functional.interpolate(x, scale_factor=2, mode="nearest"),
}
