"""ResNet with three transposed convolutions: the paper's simplest network."""

import keras

from keras_centernet.backbones.layers import conv_norm
from keras_centernet.errors import UserError
from keras_centernet.layers import BatchNormalization
from keras_centernet.specs import Tensor

STEM_CHANNELS = 64
PLAIN_UP_CHANNELS = (256, 256, 256)


def build_resnet_plain(blocks: tuple[int, ...], images: Tensor, weights: str | None = None) -> list:
    """Returns [(B, H / 4, W / 4, 256) map] of a ResNet of basic blocks with plain up-convolutions.

    Args:
        blocks: number of residual blocks at strides 4, 8, 16 and 32; (2, 2, 2, 2) is ResNet-18.
        images: (B, H, W, 3) symbolic tensor of normalised images.
        weights: only None in this version.

    Source: paper section 5 "ResNet"; `res_18` of the published code (which the paper's table calls plain).
    """
    if weights is not None:
        raise UserError(f"backbone_weights of resnet: expected None, got {weights!r}.")
    x = conv_norm(images, STEM_CHANNELS, 7, stride=2, name="stem")
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # after a ReLU zeros are safe
    x = keras.layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _basic_block(x, STEM_CHANNELS * 2**stage, stride, name=f"layer{stage + 1}_{block}")
    for step, channels in enumerate(PLAIN_UP_CHANNELS):
        name = f"deconv{step}"
        x = keras.layers.Conv2DTranspose(
            channels,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            name=name,
        )(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(BatchNormalization(name=f"{name}_bn")(x))
    return [x]


def _basic_block(x, channels: int, stride: int, name: str):
    out = conv_norm(x, channels, 3, stride=stride, name=f"{name}_a")
    out = conv_norm(out, channels, 3, activation=None, name=f"{name}_b")
    if stride > 1 or x.shape[-1] != channels:
        x = conv_norm(x, channels, 1, stride=stride, activation=None, name=f"{name}_shortcut")
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_sum")([out, x]))
