"""The light way back up to stride 4: transposed convolutions with lateral connections."""

import keras

from keras_centernet.backbones.layers import conv_norm
from keras_centernet.layers import BatchNormalization
from keras_centernet.specs import Tensor

UP_CHANNELS = (96, 64, 48)  # at strides 16, 8 and 4


def up_path(taps: list, channels: tuple[int, ...] = UP_CHANNELS) -> Tensor:
    """Returns the (B, H / 4, W / 4, channels[-1]) map that joins taps of falling stride.

    At each step the coarse map is doubled by a 4x4 transposed convolution (static shapes, no resize:
    every phone and the Edge TPU has it), the finer tap joins through a 1x1 convolution, and a 3x3
    convolution settles the sum.

    Args:
        taps: symbolic tensors of strides 32, 16, 8, 4, coarsest first.
        channels: width after each doubling.
    """
    x = taps[0]
    for step, (tap, width) in enumerate(zip(taps[1:], channels, strict=True), start=1):
        name = f"up{step}"
        x = keras.layers.Conv2DTranspose(
            width, 4, strides=2, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_deconv"
        )(conv_norm(x, width, 1, name=f"{name}_reduce"))
        x = BatchNormalization(name=f"{name}_deconv_bn")(x)
        lateral = conv_norm(tap, width, 1, activation=None, name=f"{name}_lateral")
        x = keras.layers.ReLU(name=f"{name}_join")(keras.layers.Add(name=f"{name}_sum")([x, lateral]))
        x = conv_norm(x, width, 3, name=f"{name}_settle")
    return x
