"""Random hue, saturation and value of images in the input's frame."""

import cv2
import numpy as np
import tensorflow as tf

from keras_centernet.data.changes.placing import Choice, seed_of


def random_hsv(example: dict, gains: tuple[float, float, float], is_tensor: bool = False) -> dict:
    """Returns the example with other colours.

    The hue is rotated by U(-1, 1) times its gain, where 1 is the full circle. Saturation and value are each multiplied
    by 1 + U(-1, 1) times their gain and clipped. Grey stays grey, black stays black.

    Source: `RandomHSV` of Ultralytics, whose usual gains are 0.015, 0.7 and 0.4. Its older versions multiplied the hue,
        too, which leaves red unchanged.

    Args:
        example: in the input's frame, image (H, W, 3) uint8.
        gains: gains of hue, saturation and value, from 0 to 1.
        is_tensor: whether TensorFlow alone computes, which is slower than OpenCV but does not round hues to 256 steps.
    """
    draws = tf.random.stateless_uniform((3,), seed_of(example, Choice.COLOR), -1, 1) * tf.constant(gains, tf.float32)
    image = example["image"]
    if is_tensor:
        changed = _change_by_tensorflow(image, draws)
    else:
        changed = tf.numpy_function(change_hsv, [image, draws], tf.uint8, stateful=False)
    return {**example, "image": tf.ensure_shape(changed, image.shape)}


def change_hsv(image: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Returns an image (H, W, 3) uint8 in other colours.

    `draws` (3,) holds the rotation of the hue (1 is the full circle) and the relative changes of saturation and value.
    """
    levels = np.arange(256)
    hues = np.round(levels + 256 * draws[0]) % 256
    shares = np.clip(np.round(levels[:, None] * (1 + draws[1:])), 0, 255)
    table = np.concatenate([hues[:, None], shares], axis=1).astype(np.uint8)[None]
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB_FULL)


def _change_by_tensorflow(image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    hsv = tf.image.rgb_to_hsv(tf.cast(image, tf.float32) / 255)
    hues = tf.math.floormod(hsv[..., :1] + draws[0], 1.0)
    shares = tf.minimum(hsv[..., 1:] * (1 + draws[1:]), 1.0)
    return tf.cast(tf.round(255 * tf.image.hsv_to_rgb(tf.concat([hues, shares], axis=-1))), tf.uint8)
