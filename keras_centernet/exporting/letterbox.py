"""Images of any size -> letterboxed inputs and back, as TensorFlow operations: `geometry` for graphs.

The rule is that of `geometry.letterbox` and `geometry.warp`: halved by averaging as often as possible, then bilinear at
float32 positions, black outside, rounded. OpenCV 5 computes the same except for the rounding of single pixels; OpenCV 4
rounds positions to 1/32 pixel, which differs by a few levels. `data.in_graph.warp` is faster but rounds differently.
"""

import tensorflow as tf

from keras_centernet.geometry import HALF_ZOOM, is_position, is_vector


def fit(image_hw: tf.Tensor, input_hw: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (zoom (...,), shift_xy (..., 2)) float64 of images of sizes (..., 2): input = zoom * image + shift."""
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
    """Returns decoded tensors with positions and vectors in original pixels; boxes ordered and clipped to the image.

    Args:
        found: (B, N, ...) tensors.
        image_hw: (B, 2) int sizes of the images.
        input_hw: size of the network's input.
    """
    zoom, shift_xy = fit(image_hw, input_hw)

    def move(key, value):
        if not is_position(key) and not is_vector(key):
            return value
        ones = [1] * (len(value.shape) - 2)
        moved = tf.cast(value, tf.float64)
        if is_position(key):
            repeated = tf.tile(shift_xy, [1, value.shape[-1] // 2])
            moved = moved - tf.reshape(repeated, (-1, *ones, value.shape[-1]))
        return moved / tf.reshape(zoom, (-1, *ones, 1))

    moved = {key: move(key, value) for key, value in found.items()}
    first, second = tf.split(moved["boxes_xyxy"], 2, axis=-1)  # a network may predict negative sizes
    boxes_xyxy = tf.concat([tf.minimum(first, second), tf.maximum(first, second)], axis=-1)
    limits = tf.cast(tf.tile(tf.reverse(image_hw, [-1]), [1, 2]), tf.float64)[:, None]
    moved["boxes_xyxy"] = tf.clip_by_value(boxes_xyxy, tf.zeros_like(limits), limits)
    return {key: tf.cast(value, found[key].dtype) for key, value in moved.items()}


def _halve(images):
    """Returns the means of 2x2 pixels, rounded half up; an odd last row or column is left out."""
    return tf.floor(tf.nn.avg_pool2d(images, 2, 2, "VALID") + 0.5)


def _sample(padded, axis: int, positions):
    """Returns linear samples along one axis of an image that has one black pixel around it."""
    size = tf.cast(tf.shape(padded)[axis] - 2, tf.float32)
    positions = tf.clip_by_value(positions, -1.0, size)
    before = tf.minimum(tf.floor(positions), size - 1)
    index = tf.cast(before, tf.int32) + 1
    share = tf.reshape(positions - before, (-1, *[1] * (3 - axis)))
    first, second = tf.gather(padded, index, axis=axis), tf.gather(padded, index + 1, axis=axis)
    return first + share * (second - first)
