"""Pictures of any size -> letterboxed inputs and back, as TensorFlow operations: `geometry` for graphs.

The rule is that of `geometry.letterbox` and `geometry.warp`: halved by averaging as often as possible,
then bilinear at float32 places, black outside, rounded. OpenCV 5 computes the same but for the rounding of
single pixels; OpenCV 4 rounds places to 1/32 pixel, which differs by a few levels.
"""

import tensorflow as tf

from keras_centernet.geometry import HALF_ZOOM, is_position


def fit(image_hw: tf.Tensor, input_hw: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (zoom (...,), shift_xy (..., 2)) float64 of `geometry.letterbox`: input = zoom * image + shift.

    Args:
        image_hw: (..., 2) int sizes of pictures.
        input_hw: (height, width) of the network's input.
    """
    image_wh = tf.cast(tf.reverse(image_hw, [-1]), tf.float64)
    input_wh = tf.constant(input_hw[::-1], tf.float64)
    zoom = tf.reduce_min(input_wh / image_wh, axis=-1)
    zoom = input_wh[0] / (input_wh[0] / zoom)  # rounded as in `geometry.affine`
    return zoom, input_wh / 2 - zoom[..., None] * (image_wh / 2)


def letterbox(images: tf.Tensor, input_hw: tuple[int, int]) -> tf.Tensor:
    """Returns (B, h, w, 3) float32 inputs of whole numbers, as `geometry.warp` makes them.

    Args:
        images: (B, H, W, 3) RGB in 0..255, uint8 or float32, of any size.
        input_hw: (h, w).
    """
    images = tf.cast(images, tf.float32)
    zoom, shift_xy = fit(tf.shape(images)[1:3], input_hw)
    images, zoom, shift_xy = tf.while_loop(
        lambda images, zoom, _: (zoom**2 <= HALF_ZOOM**2) & (tf.reduce_min(tf.shape(images)[1:3]) >= 2),
        lambda images, zoom, shift_xy: (_halve(images), 2 * zoom, shift_xy + zoom / 2),
        [images, zoom, shift_xy],
        shape_invariants=[tf.TensorShape((images.shape[0], None, None, 3)), zoom.shape, shift_xy.shape],
    )
    images = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    for axis, side, shift in ((2, input_hw[1], shift_xy[0]), (1, input_hw[0], shift_xy[1])):
        step, start = tf.cast(1 / zoom, tf.float32), tf.cast(-shift / zoom, tf.float32)
        images = _sample(images, axis, step * tf.range(side, dtype=tf.float32) + start)
    return tf.round(images)


def to_image_frame(found: dict, image_hw: tf.Tensor, input_hw: tuple[int, int]) -> dict:
    """Returns decoded tensors with their places brought from input to original pixels, boxes ordered and clipped.

    Args:
        found: (B, N, ...) tensors.
        image_hw: (B, 2) int sizes of the pictures.
        input_hw: of the network.
    """
    zoom, shift_xy = fit(image_hw, input_hw)

    def move(value):
        ones = [1] * (len(value.shape) - 2)
        shift = tf.reshape(tf.tile(shift_xy, [1, value.shape[-1] // 2]), (-1, *ones, value.shape[-1]))
        return (tf.cast(value, tf.float64) - shift) / tf.reshape(zoom, (-1, *ones, 1))

    found = {key: move(value) if is_position(key) else value for key, value in found.items()}
    first, second = tf.split(found["boxes_xyxy"], 2, axis=-1)  # a network may predict negative sizes
    found["boxes_xyxy"] = tf.concat([tf.minimum(first, second), tf.maximum(first, second)], axis=-1)
    limits = tf.cast(tf.tile(tf.reverse(image_hw, [-1]), [1, 2]), tf.float64)[:, None]
    found["boxes_xyxy"] = tf.clip_by_value(found["boxes_xyxy"], tf.zeros_like(limits), limits)
    return {key: tf.cast(value, tf.float32) if is_position(key) else value for key, value in found.items()}


def _halve(images):
    """Returns the means of 2x2 pixels, rounded half up; an odd last row or column is left out."""
    return tf.floor(tf.nn.avg_pool2d(images, 2, 2, "VALID") + 0.5)


def _sample(padded, axis: int, places):
    """Returns linear samples along one axis of a picture that has one black pixel around it."""
    size = tf.cast(tf.shape(padded)[axis] - 2, tf.float32)
    places = tf.clip_by_value(places, -1.0, size)
    before = tf.minimum(tf.floor(places), size - 1)
    index = tf.cast(before, tf.int32) + 1
    share = tf.reshape(places - before, (-1, *[1] * (3 - axis)))
    first, second = tf.gather(padded, index, axis=axis), tf.gather(padded, index + 1, axis=axis)
    return first + share * (second - first)
