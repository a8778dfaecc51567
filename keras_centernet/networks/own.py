"""Backbones of a user's own: a Keras model, or a function that builds one."""

from collections.abc import Callable

import keras

from keras_centernet.errors import UserError
from keras_centernet.geometry import STRIDE
from keras_centernet.method.specs import Tensor
from keras_centernet.networks.keras_applications import NESTED_NAME
from keras_centernet.networks.up_path import UP_CHANNELS, up_path

PROBE_SIDE = 256  # pixels: side of an input from which the strides of the outputs are found
LEAST_MULTIPLE = 32


def build_from(model: keras.Model, images: Tensor) -> list:
    """Returns [(B, H / 4, W / 4, D) map] of a backbone that is not in the table.

    One output of stride 4 is used as it is; several outputs of strides 4, 8, ... get the light path back up.

    Raises:
        UserError: the outputs have other strides.
    """
    strides, maps = _strides(model), keras.tree.flatten(model(images))
    expected = [STRIDE * 2**i for i in range(len(maps))]
    if sorted(strides) != expected or len(maps) > len(UP_CHANNELS) + 1:
        raise UserError(
            f"backbone {model.name}: expected one output of stride {STRIDE}, or several of strides 4, 8, 16 and 32, "
            f"got strides {', '.join(map(str, strides))}."
        )
    if len(maps) == 1:
        return maps
    coarsest_first = [maps[i] for i in sorted(range(len(maps)), key=lambda i: -strides[i])]
    return [up_path(coarsest_first, UP_CHANNELS[-len(maps) + 1 :])]


def own_multiple(model: keras.Model) -> int:
    """Returns the number of which input height and width must be multiples."""
    return max(LEAST_MULTIPLE, *_strides(model))


def to_model(backbone: keras.Model | Callable) -> keras.Model:
    """Returns the backbone, a Keras model or a function of symbolic images, as one model to be a layer of the network.

    Raises:
        UserError: the model has a fixed input size.
    """
    if not isinstance(backbone, keras.Model):
        images = keras.Input((None, None, 3))
        return keras.Model(images, backbone(images), name=NESTED_NAME)
    shape = backbone.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[1:] != (None, None, 3):
        raise UserError(
            f"backbone {backbone.name}: expected a model of images of open size, built with "
            f"input_shape=(None, None, 3), got one of inputs {shape}."
        )
    return backbone


def _strides(model: keras.Model) -> list[int]:
    outputs = keras.tree.flatten(model(keras.Input((PROBE_SIDE, PROBE_SIDE, 3))))
    return [PROBE_SIDE // output.shape[1] for output in outputs]
