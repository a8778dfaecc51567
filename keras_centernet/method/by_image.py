"""Computing image by image, so that devices that share a batch need nothing of each other's images."""

from collections.abc import Callable

import keras
from keras import ops

from keras_centernet.method.specs import Tensor


def maps_images() -> bool:
    """Whether `map_images` is there: on JAX, where one program runs on all devices.

    Its compiler keeps a batch shared where operations have a batch dimension. An index that counts through all images
    would make it gather them on every device. Elsewhere such an index is faster, or all there is.
    """
    return keras.backend.backend() == "jax"


def map_images(function: Callable, *batches: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Returns a structure of (B, ...) of the results of `function`, which gets one image's part of each (B, ...)."""
    return ops.vectorized_map(lambda parts: function(*parts), batches)
