"""Layers of the networks, each usable alone."""

from keras_centernet.networks.layers.batch_norm import BatchNormalization
from keras_centernet.networks.layers.bilinear import Bilinear
from keras_centernet.networks.layers.deformable_conv import DeformableConv2D
from keras_centernet.networks.layers.depthwise_upsampling import DepthwiseUpsampling2D
