"""Layers of the networks, each usable alone."""

from keras_centernet.layers.batch_norm import BatchNormalization
