"""Convolution, batch normalisation and activation as every backbone here joins them."""

import keras

from keras_centernet.layers import BatchNormalization
from keras_centernet.specs import Tensor


def conv_norm(
    x: Tensor, filters: int, kernel: int, *, stride: int = 1, activation: str | None = "relu", name: str
) -> Tensor:
    """Returns activation(BatchNorm(convolution(x))), the convolution without bias, padded by kernel // 2.

    The padding is symmetric on every side, as PyTorch pads; Keras' "same" pads strided convolutions
    at the bottom and right only, which shifts published weights by a pixel.
    """
    if stride > 1 and kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    padding = "valid" if stride > 1 else "same"
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = BatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x
