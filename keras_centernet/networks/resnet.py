"""ResNet with up-convolutions, with and without deformable convolutions."""

import keras

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.blocks import add_relu, basic_block, conv_norm, deconv_norm, deformable_norm
from keras_centernet.networks.layers import Bilinear

# Residual blocks at strides 4, 8, 16 and 32, and whether they are bottlenecks.
DEPTHS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
STEM_CHANNELS = 64
BOTTLENECK_EXPANSION = 4
UP_CHANNELS = (256, 128, 64)
PLAIN_UP_CHANNELS = (256, 256, 256)


def build_resnet(depth: int, deformable: bool, images: Tensor) -> list:
    """Returns [(B, H / 4, W / 4, 64 or 256) map] of a ResNet and three doublings of its last map.

    Args:
        depth: key of `DEPTHS`.
        deformable: whether each doubling is a 3x3 deformable and a 4x4 transposed convolution (to 256,
            128 and 64 channels), or a transposed convolution to 256 only.
        images: symbolic tensor.

    Source: paper section 5 "ResNet"; `resdcn_*` and `res_*` of the published code. The residual blocks
        are torchvision's, with the stride at the 3x3 convolution of a bottleneck.
    """
    blocks, bottleneck = DEPTHS[depth]
    block = _bottleneck if bottleneck else _basic
    x = conv_norm(images, STEM_CHANNELS, 7, stride=2, conv="conv1", norm="bn1")
    x = keras.layers.ZeroPadding2D(1, name="maxpool_pad")(x)  # zeros never exceed a ReLU's outputs
    x = keras.layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    for stage, count in enumerate(blocks):
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            x = block(x, STEM_CHANNELS * 2**stage, stride, f"layer{stage + 1}.{i}")
    return [_deformable_up(x) if deformable else _plain_up(x)]


def _basic(x, channels: int, stride: int, name: str):
    return basic_block(x, _shortcut(x, channels, stride, name), channels, stride, name)


def _bottleneck(x, channels: int, stride: int, name: str):
    wide = BOTTLENECK_EXPANSION * channels
    out = conv_norm(x, channels, 1, conv=f"{name}.conv1", norm=f"{name}.bn1")
    out = conv_norm(out, channels, 3, stride=stride, conv=f"{name}.conv2", norm=f"{name}.bn2")
    out = conv_norm(out, wide, 1, activation=None, conv=f"{name}.conv3", norm=f"{name}.bn3")
    return add_relu(out, _shortcut(x, wide, stride, name), name)


def _shortcut(x, channels: int, stride: int, name: str):
    if stride == 1 and x.shape[-1] == channels:
        return x
    name = f"{name}.downsample"
    return conv_norm(x, channels, 1, stride=stride, activation=None, conv=f"{name}.0", norm=f"{name}.1")


def _deformable_up(x):
    name = "deconv_layers.{}".format  # numbered as in the published sequence
    for step, channels in enumerate(UP_CHANNELS):
        first = 6 * step
        x = deformable_norm(x, channels, conv=name(first), norm=name(first + 1))
        x = deconv_norm(x, channels, initializer=Bilinear(), conv=name(first + 3), norm=name(first + 4))
    return x


def _plain_up(x):
    name = "deconv_layers.{}".format
    for step, channels in enumerate(PLAIN_UP_CHANNELS):
        small = keras.initializers.RandomNormal(stddev=0.001)  # As published.
        x = deconv_norm(x, channels, initializer=small, conv=name(3 * step), norm=name(3 * step + 1))
    return x
