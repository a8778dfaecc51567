"""What the network sees of a picture that is tested: no chance, all objects, one `geometry.View`."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_centernet import geometry
from keras_centernet.clock import Clock


def _fit(input_hw: tuple[int, int], multiple_of: int, scale: float) -> Callable:
    return functools.partial(geometry.fixed_resolution, input_hw=input_hw, scale=scale)


def _keep(input_hw: tuple[int, int], multiple_of: int, scale: float) -> Callable:
    return functools.partial(geometry.keep_resolution, multiple_of=multiple_of, scale=scale)


# How pictures come to the network's size: functions to the function from an image's (height, width) to its `View`.
RESIZES = {"fit": _fit, "keep": _keep}


def to_view(example: dict, place: Callable, movers: dict, clock: Clock) -> dict:
    """Returns the example with image, boxes and other places in the input's frame, as `augment.warp` does.

    Objects outside the view stay: what a test cannot see it shall miss.

    Args:
        example: before any augmentation.
        place: function from (height, width) to `geometry.View`.
        movers: see `Source.movers`.
        clock: gets the seconds as "preprocess".
    """

    def view_numpy(image, boxes_xyxy, *values):
        with clock.measure("preprocess"):
            placed = place(image.shape[:2])
            matrix = placed.image_to_input
            boxes = geometry.transform_boxes(boxes_xyxy, matrix)
            moved = [np.float32(move(rows, matrix)) for move, rows in zip(movers.values(), values, strict=True)]
            return geometry.view(image, placed), matrix, boxes.astype(np.float32), *moved

    types = [tf.uint8, tf.float64, tf.float32] + [tf.float32] * len(movers)
    arguments = [example["image"], example["boxes_xyxy"], *(example[key] for key in movers)]
    image, matrix, boxes_xyxy, *moved = tf.numpy_function(view_numpy, arguments, types, stateful=False)
    return {
        **example,
        "image": tf.ensure_shape(image, (None, None, 3)),
        "image_hw": tf.shape(example["image"])[:2],
        "image_to_input": tf.ensure_shape(matrix, (2, 3)),
        "boxes_xyxy": tf.ensure_shape(boxes_xyxy, (None, 4)),
        **{key: tf.ensure_shape(v, example[key].shape) for key, v in zip(movers, moved, strict=True)},
    }


def batch_by_shape(examples: tf.data.Dataset, batch_size: int, shapes) -> tf.data.Dataset:
    """Returns batches of images of one shape each; what is left of every shape at the end makes smaller ones.

    Args:
        examples: pairs (image, objects).
        batch_size: images in a batch.
        shapes: padded shapes of an element, see `tf.data.Dataset.padded_batch`.
    """

    def shape_key(image, objects):
        height, width = tf.unstack(tf.shape(image, tf.int64)[:2])
        return height * 2**31 + width

    def to_batch(key, group):
        return group.padded_batch(batch_size, shapes)

    return examples.group_by_window(shape_key, to_batch, window_size=batch_size)
