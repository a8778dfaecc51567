"""Hourglass networks: down to stride 128 and back up, once or twice."""

import keras

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.blocks import add_relu, conv_norm

STEM_CHANNELS = 128
# Channels and residual blocks at strides 4 to 128.
CHANNELS = (256, 256, 384, 384, 384, 512)
BLOCKS = (2, 2, 2, 2, 2, 4)


def build_hourglass(stacks: int, images: Tensor) -> list:
    """Returns one (B, H / 4, W / 4, 256) map per stack; the last one is used for detection.

    Args:
        stacks: number of hourglasses one after the other: 2 in Hourglass-104, 1 in Hourglass-52.
        images: (B, H, W, 3) symbolic tensor of normalised images.

    Source: paper section 5 "Hourglass"; `hourglass` of the published code (CornerNet's, without pooling).
    """
    channels = CHANNELS[0]
    x = conv_norm(images, STEM_CHANNELS, 7, stride=2, conv="pre.0.conv", norm="pre.0.bn")
    x = _residual(x, channels, "pre.1", stride=2)
    maps = []
    for stack in range(stacks):
        out = _hourglass(x, 0, f"kps.{stack}")
        maps.append(conv_norm(out, channels, 3, conv=f"cnvs.{stack}.conv", norm=f"cnvs.{stack}.bn"))
        if stack + 1 < stacks:
            x = add_relu(_linear(x, f"inters_.{stack}"), _linear(maps[-1], f"cnvs_.{stack}"), f"inters_.{stack}")
            x = _residual(x, channels, f"inters.{stack}")
    return maps


def _hourglass(x, level: int, name: str):
    """One level: residuals at this stride, plus all coarser levels upsampled."""
    here, coarser, blocks = CHANNELS[level], CHANNELS[level + 1], BLOCKS[level]
    up = _residuals(x, [here] * blocks, f"{name}.up1")
    low = _residual(x, coarser, f"{name}.low1.0", stride=2)
    low = _residuals(low, [coarser] * (blocks - 1), f"{name}.low1", first=1)
    if level + 2 < len(CHANNELS):
        low = _hourglass(low, level + 1, f"{name}.low2")
    else:
        low = _residuals(low, [coarser] * BLOCKS[level + 1], f"{name}.low2")
    low = _residuals(low, [coarser] * (blocks - 1) + [here], f"{name}.low3")
    low = keras.layers.UpSampling2D(2, name=f"{name}.up2")(low)
    return keras.layers.Add(name=f"{name}.merge")([up, low])


def _residuals(x, channels: list[int], name: str, first: int = 0):
    for i, width in enumerate(channels, start=first):
        x = _residual(x, width, f"{name}.{i}")
    return x


def _residual(x, channels: int, name: str, stride: int = 1):
    out = conv_norm(x, channels, 3, stride=stride, conv=f"{name}.conv1", norm=f"{name}.bn1")
    out = conv_norm(out, channels, 3, activation=None, conv=f"{name}.conv2", norm=f"{name}.bn2")
    if stride > 1 or x.shape[-1] != channels:
        skip = f"{name}.skip"
        x = conv_norm(x, channels, 1, stride=stride, activation=None, conv=f"{skip}.0", norm=f"{skip}.1")
    return add_relu(out, x, name)


def _linear(x, name: str):
    return conv_norm(x, x.shape[-1], 1, activation=None, conv=f"{name}.0", norm=f"{name}.1")
