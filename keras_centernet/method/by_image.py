"""Computing image by image, so that devices that share a batch do not need each other's images."""

from collections.abc import Callable

import keras
from keras import ops

from keras_centernet.method.specs import Tensor


def maps_images() -> bool:
    """Whether `map_images` is to be used: on JAX, where one program runs on all devices.

    JAX's compiler keeps a batch shared as long as operations have a batch dimension. A flat index over all images would
    make it gather them on every device. On the other backends such an index is faster, or the only way.
    """
    return keras.backend.backend() == "jax"


def map_images(function: Callable, *batches: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Returns the results of `function` as (B, ...) tensors; each call gets one image's part of each batch (B, ...)."""
    return ops.vectorized_map(lambda parts: function(*parts), batches)
