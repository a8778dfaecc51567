"""A network of two convolutions for tests of what happens around a training."""

import keras

from keras_centernet.networks.blocks import conv_norm
from keras_centernet.networks.table import BACKBONES, Backbone

TINY = "tiny"


def add_tiny_backbone() -> None:
    """Puts it into the table of networks; it is traced in a tenth of a MobileNet's time."""
    BACKBONES[TINY] = Backbone(_build, head_channels=8, backbone_layers=("conv1", "bn1"))


def _build(images: keras.KerasTensor) -> list:
    x = conv_norm(images, 8, 3, stride=2, conv="conv1", norm="bn1")
    return [conv_norm(x, 8, 3, stride=2, conv="conv2", norm="bn2")]
