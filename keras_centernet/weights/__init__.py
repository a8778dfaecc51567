"""Weights from elsewhere -> the variables of a model."""

from keras_centernet.weights.imagenet import load_imagenet
from keras_centernet.weights.load import load_weights, read_model_file
