"""A network of two convolutions, traced within a second, for tests of everything around a training."""

import keras

from keras_centernet.networks.blocks import conv_norm
from keras_centernet.networks.layers.deformable_conv import DeformableConv2D
from keras_centernet.networks.table import BACKBONES, Backbone

TINY = "tiny"


def build_tiny(images: keras.KerasTensor) -> list:
    """Returns the stride-4 map of symbolic images."""
    x = conv_norm(images, 8, 3, stride=2, conv="conv1", norm="bn1")
    return [conv_norm(x, 8, 3, stride=2, conv="conv2", norm="bn2")]


TINY_ROW = Backbone(build_tiny, head_channels=8, backbone_layers=("conv1", "bn1"))


def deformable_backbone() -> keras.Model:
    """Returns a stride-4 backbone whose second convolution, "look", is deformable."""
    images = keras.Input((None, None, 3))
    x = conv_norm(images, 8, 3, stride=4, conv="conv1", norm="bn1")
    return keras.Model(images, DeformableConv2D(8, name="look")(x))


def add_tiny_backbone() -> None:
    """Puts the tiny network into the table of networks of this process."""
    BACKBONES[TINY] = TINY_ROW
