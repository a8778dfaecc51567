"""Our networks as PyTorch modules, operator by operator, to compare their speed."""

import importlib.util

import keras
import torch
from torch import nn
from torch.nn import functional


def has_deformable() -> bool:
    """Whether PyTorch has deformable convolutions, which are in torchvision."""
    return importlib.util.find_spec("torchvision") is not None


class TorchNetwork(nn.Module):
    """A functional Keras network of the layers that the paper's networks use, as a module in PyTorch's own layout.

    It starts with the weights of the Keras network, whatever its backend, and can be trained.

    Args:
        network: of `keras_centernet.networks.build.build_network`; deformable convolutions need torchvision.
    """

    def __init__(self, network: keras.Model):
        super().__init__()
        layers = network.layers[1:]
        self.parts = nn.ModuleList(map(_translate, layers))
        self._inputs = [[id(tensor) for tensor in keras.tree.flatten(layer.input)] for layer in layers]
        self._outputs = [id(layer.output) for layer in layers]
        self._images, self._maps = id(network.inputs[0]), [id(tensor) for tensor in network.outputs]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Returns all output maps (B, C, Hf, Wf) of normalised images (B, 3, H, W)."""
        values = {self._images: images}
        for part, inputs, output in zip(self.parts, self._inputs, self._outputs, strict=True):
            values[output] = part(*(values[tensor] for tensor in inputs))
        return [values[tensor] for tensor in self._maps]


class Function(nn.Module):
    """A module without weights."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


class Deformable(nn.Module):
    """Modulated deformable convolution by torchvision."""

    def __init__(self, layer):
        super().__init__()
        from torchvision.ops import deform_conv2d

        sampling, self.run = layer.sampling, deform_conv2d
        self.geometry = {"stride": sampling.strides, "padding": sampling.padding, "dilation": sampling.dilation}
        self.predict = nn.Conv2d(1, 1, 1, sampling.strides, sampling.padding, sampling.dilation)
        self.predict.weight, self.predict.bias = _kernel(layer.offset_kernel), _parameter(layer.offset_bias)
        self.weight, self.bias = _kernel(layer.kernel), _parameter(layer.bias)
        self.moves = 2 * sampling.groups * sampling.taps  # (dy, dx) of each tap, then the taps' masks, as ours

    def forward(self, images):
        """Returns the convolved maps."""
        raw = self.predict(images)
        masks = torch.sigmoid(raw[:, self.moves :])
        return self.run(images, raw[:, : self.moves], self.weight, self.bias, mask=masks, **self.geometry)


def _translate(layer) -> nn.Module:
    return TRANSLATIONS[type(layer).__name__](layer)


def _parameter(variable) -> nn.Parameter:
    return nn.Parameter(torch.tensor(keras.ops.convert_to_numpy(variable)))


def _kernel(variable) -> nn.Parameter:
    """Returns PyTorch's (O, C, kh, kw) of Keras' (kh, kw, C, O), or (C, O, kh, kw) of a transposed convolution."""
    return nn.Parameter(torch.tensor(keras.ops.convert_to_numpy(variable).transpose(3, 2, 0, 1).copy()))


def _conv(layer):
    padding = tuple(side // 2 for side in layer.kernel_size) if layer.padding == "same" else 0
    conv = nn.Conv2d(1, 1, layer.kernel_size, layer.strides, padding, bias=layer.use_bias)
    conv.weight = _kernel(layer.kernel)
    if layer.use_bias:
        conv.bias = _parameter(layer.bias)
    return nn.Sequential(conv, nn.ReLU()) if layer.activation.__name__ == "relu" else conv


def _deconv(layer):
    conv = nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False)
    conv.weight = _kernel(layer.kernel)
    return conv


def _depthwise_up(layer):
    factor, kernel = layer.factor, _kernel(layer.kernel)
    channels = kernel.shape[0]
    conv = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, groups=channels, bias=False)
    conv.weight = kernel
    return conv


def _batch_norm(layer):
    norm = nn.BatchNorm2d(layer.gamma.shape[0], layer.epsilon, 1 - layer.momentum)
    norm.weight, norm.bias = _parameter(layer.gamma), _parameter(layer.beta)
    norm.running_mean, norm.running_var = _parameter(layer.moving_mean).data, _parameter(layer.moving_variance).data
    return norm


def _pad(layer):
    (top, bottom), (left, right) = layer.padding
    return nn.ZeroPad2d((left, right, top, bottom))


TRANSLATIONS = {
    "Conv2D": _conv,
    "Conv2DTranspose": _deconv,
    "DepthwiseUpsampling2D": _depthwise_up,
    "DeformableConv2D": Deformable,
    "BatchNormalization": _batch_norm,
    "ZeroPadding2D": _pad,
    "ReLU": lambda layer: nn.ReLU(),
    "Activation": lambda layer: nn.ReLU(),
    "Add": lambda layer: Function(torch.add),
    "Concatenate": lambda layer: Function(lambda *parts: torch.cat(parts, 1)),
    "MaxPooling2D": lambda layer: nn.MaxPool2d(layer.pool_size, layer.strides),
    "UpSampling2D": lambda layer: Function(lambda x: functional.interpolate(x, scale_factor=2, mode="nearest")),
}
