"""Encoded images -> pixels, as TensorFlow operations that a server runs: `data.images` for graphs."""

import tensorflow as tf

from keras_centernet.data.image_headers.tensors import read_orientation
from keras_centernet.data.in_graph import decode_image, try_to_decode


def read_encoded_image(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (image, its status) of one string; see `decode_encoded_image` and `data.in_graph.try_to_decode`."""
    return try_to_decode(data, decode_encoded_image)


def decode_encoded_image(data: tf.Tensor) -> tf.Tensor:
    """Returns the (H, W, 3) uint8 RGB image of one string: JPEG, PNG, BMP, still WebP or the first frame of a GIF.

    Grayscale is repeated to three channels, alpha is dropped, the EXIF orientation of a JPEG is applied. Pixels are
    those of `data.images.decode_image`, except for CMYK JPEGs (other conversion), BMPs with a palette (TensorFlow
    does not read the palette), and PNGs and WebPs with an orientation (not applied).
    """
    return tf.cond(
        tf.io.is_jpeg(data),
        lambda: turn_upright(decode_image(data), read_orientation(data)),
        lambda: decode_image(data),
    )


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Returns the (H, W, 3) image turned upright; `orientation` is EXIF's, 1 to 8."""

    def change_if(orientations, image, change):
        return tf.cond(tf.reduce_any(orientation == orientations), lambda: change(image), lambda: image)

    image = change_if([5, 6, 7, 8], image, lambda image: tf.transpose(image, (1, 0, 2)))
    image = change_if([2, 3, 6, 7], image, lambda image: tf.reverse(image, [1]))
    return change_if([3, 4, 7, 8], image, lambda image: tf.reverse(image, [0]))
