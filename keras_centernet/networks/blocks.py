"""Convolution, batch normalisation and activation as every backbone here combines them.

Layers of the paper's networks are named as the published modules ("base.level2.tree1.conv1"), so that
`weights.published` needs no table to find a tensor's variable.
"""

import keras

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.layers import BatchNormalization, DeformableConv2D


def conv_norm(
    x: Tensor, filters: int, kernel: int, *, stride: int = 1, activation: str | None = "relu", conv: str, norm: str
) -> Tensor:
    """Returns activation(BatchNorm(convolution(x))), the convolution without bias, padded by kernel // 2.

    The padding is symmetric, as PyTorch pads; Keras' "same" pads strided convolutions at the bottom and right only,
    which shifts published weights by a pixel. `conv` and `norm` name the two layers.
    """
    if stride > 1 and kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{conv}_pad")(x)
    padding = "valid" if stride > 1 else "same"
    x = keras.layers.Conv2D(
        filters, kernel, strides=stride, padding=padding, use_bias=False, kernel_initializer="he_normal", name=conv
    )(x)
    return _normalize(x, activation, norm)


def deformable_norm(x: Tensor, filters: int, *, conv: str, norm: str) -> Tensor:
    """Returns ReLU(BatchNorm(3x3 deformable convolution(x))); the convolution has a bias, as published."""
    return _normalize(DeformableConv2D(filters, name=conv)(x), "relu", norm)


def separable_norm(x: Tensor, filters: int, name: str) -> Tensor:
    """Returns ReLU6(BatchNorm(1x1 convolution(BatchNorm(3x3 depthwise convolution(x))))), both without bias."""
    x = keras.layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_initializer="he_normal", name=f"{name}_depthwise"
    )(x)
    x = _normalize(x, None, f"{name}_depthwise_bn")
    return conv_norm(x, filters, 1, activation="relu6", conv=f"{name}_pointwise", norm=f"{name}_pointwise_bn")


def dense_norm(x: Tensor, filters: int, name: str) -> Tensor:
    """Returns ReLU6(BatchNorm(3x3 convolution(x))), without bias."""
    return conv_norm(x, filters, 3, activation="relu6", conv=f"{name}_conv", norm=f"{name}_bn")


def deconv_norm(
    x: Tensor,
    filters: int,
    *,
    initializer: str | keras.initializers.Initializer,
    conv: str,
    norm: str,
    activation: str | None = "relu",
    kernel: int = 4,
) -> Tensor:
    """Returns activation(BatchNorm(transposed convolution of stride 2(x))), without bias: twice the size.

    Its shapes are static and it needs no resize: every phone and the Edge TPU can run it.
    """
    x = keras.layers.Conv2DTranspose(
        filters, kernel, strides=2, padding="same", use_bias=False, kernel_initializer=initializer, name=conv
    )(x)
    return _normalize(x, activation, norm)


def basic_block(x: Tensor, shortcut: Tensor, channels: int, stride: int, name: str) -> Tensor:
    """Returns ReLU(two 3x3 convolutions of x + shortcut)."""
    out = conv_norm(x, channels, 3, stride=stride, conv=f"{name}.conv1", norm=f"{name}.bn1")
    out = conv_norm(out, channels, 3, activation=None, conv=f"{name}.conv2", norm=f"{name}.bn2")
    return add_relu(out, shortcut, name)


def add_relu(x: Tensor, y: Tensor, name: str, highest: float | None = None) -> Tensor:
    """Returns ReLU(x + y), or with `highest` min(ReLU(x + y), highest)."""
    return keras.layers.ReLU(highest, name=f"{name}_relu")(keras.layers.Add(name=f"{name}_sum")([x, y]))


def _normalize(x, activation: str | None, norm: str):
    x = BatchNormalization(name=norm)(x)
    return keras.layers.Activation(activation, name=f"{norm}_{activation}")(x) if activation else x
