"""The way back up to stride 4 of networks for phones: depthwise-separable, narrow where the maps are large."""

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.blocks import add_relu, conv_norm, deconv_norm, separable_norm


def light_path(taps: list, channels: tuple[int, ...]) -> Tensor:
    """Returns the (B, H / 4, W / 4, channels[-1]) map that joins taps of strides 32, 16, 8, 4, coarsest first.

    At each step the coarse map is doubled by a transposed convolution of kernel 2, in which each pixel of the result
    depends on one pixel of the map only: a 1x1 convolution to four times the channels and a rearrangement (sub-pixel).
    The finer tap joins through a 1x1 convolution, and a depthwise-separable one settles the sum. Activations are ReLU6,
    so that quantisation to 8 bits divides a known range.
    """
    x = taps[0]
    for step, (tap, width) in enumerate(zip(taps[1:], channels, strict=True), start=1):
        name, up = f"up{step}", f"up{step}_deconv"
        x = conv_norm(x, width, 1, activation="relu6", conv=f"{name}_reduce", norm=f"{name}_reduce_bn")
        x = deconv_norm(x, width, kernel=2, initializer="he_normal", conv=up, norm=f"{up}_bn", activation=None)
        lateral = conv_norm(tap, width, 1, activation=None, conv=f"{name}_lateral", norm=f"{name}_lateral_bn")
        x = separable_norm(add_relu(x, lateral, name, highest=6.0), width, f"{name}_settle")
    return x
