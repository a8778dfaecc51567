"""Layers of the networks, each usable alone."""

from keras_centernet.layers.batch_norm import BatchNormalization
from keras_centernet.layers.bilinear import Bilinear
from keras_centernet.layers.deformable_conv import DeformableConv2D
from keras_centernet.layers.depthwise_upsampling import DepthwiseUpsampling2D
