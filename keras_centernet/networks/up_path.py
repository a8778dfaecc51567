"""The light way back up to stride 4: transposed convolutions with lateral connections."""

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.blocks import add_relu, conv_norm, deconv_norm

UP_CHANNELS = (96, 64, 48)  # at strides 16, 8 and 4


def up_path(taps: list, channels: tuple[int, ...] = UP_CHANNELS) -> Tensor:
    """Returns the (B, H / 4, W / 4, channels[-1]) map that joins taps of strides 32, 16, 8, 4, coarsest first.

    At each step the coarse map is doubled by a transposed convolution, the finer tap joins through a
    1x1 convolution, and a 3x3 convolution settles the sum.
    """
    x = taps[0]
    for step, (tap, width) in enumerate(zip(taps[1:], channels, strict=True), start=1):
        name, deconv = f"up{step}", f"up{step}_deconv"
        x = conv_norm(x, width, 1, conv=f"{name}_reduce", norm=f"{name}_reduce_bn")
        x = deconv_norm(x, width, initializer="he_normal", conv=deconv, norm=f"{deconv}_bn", activation=None)
        lateral = conv_norm(tap, width, 1, activation=None, conv=f"{name}_lateral", norm=f"{name}_lateral_bn")
        x = conv_norm(add_relu(x, lateral, name), width, 3, conv=f"{name}_settle", norm=f"{name}_settle_bn")
    return x
