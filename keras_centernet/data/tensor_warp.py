"""`geometry.warp` and the moving of places by TensorFlow alone: for processes that have none of this program's Python.

The same rule - halved by averaging while the picture shrinks to half or less, then bilinear, black outside -
gives the same pixels but for rounding. It takes about four times as long as OpenCV, so it is not the usual way.
"""

import tensorflow as tf

from keras_centernet.geometry import HALF_ZOOM, HALVED_TO_WHOLE


def resample(example: dict, movers: dict, input_hw: tuple[int, int]) -> dict[str, tf.Tensor]:
    """Returns what `augment.warp` asks for; movers: `Source.tensor_movers`."""
    matrix = example["image_to_input"]
    return {
        "image": warp(example["image"], matrix, input_hw, turns="boxes_to_input" in example),
        "boxes_xyxy": transform_boxes(example["boxes_xyxy"], example.get("boxes_to_input", matrix)),
        **{key: move(example[key], matrix) for key, move in movers.items()},
    }


def warp(image: tf.Tensor, matrix: tf.Tensor, input_hw: tuple[int, int], turns: bool = False) -> tf.Tensor:
    """Returns the (height, width, 3) uint8 picture resampled into the input.

    Args:
        image: (H, W, 3) uint8.
        matrix: (2, 3) float64 from image to input.
        input_hw: (height, width) of the input.
        turns: whether the matrix may hold a rotation. Without, a faster operator does.
    """
    image, matrix = tf.while_loop(
        _shrinks_to_half, _halve, (image, matrix), (tf.TensorShape((None, None, 3)), tf.TensorShape((2, 3)))
    )
    linear = tf.linalg.inv(matrix[:, :2])
    to_image = tf.concat([linear, -linear @ matrix[:, 2:]], axis=1)
    warped = (_sample_turned if turns else _sample_upright)(image, to_image, input_hw)
    return tf.ensure_shape(tf.cast(tf.round(warped), tf.uint8), (*input_hw, 3))


def transform_boxes(boxes_xyxy: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Returns the (N, 4) float32 boxes that `geometry.transform_boxes` gives."""
    first, second = transform_points(boxes_xyxy[:, :2], matrix), transform_points(boxes_xyxy[:, 2:], matrix)
    return tf.cast(tf.concat([tf.minimum(first, second), tf.maximum(first, second)], axis=1), tf.float32)


def transform_points(points_xy: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Returns (..., 2) float64 points in the frame of a (2, 3) matrix."""
    return tf.linalg.matvec(matrix[:, :2], tf.cast(points_xy, tf.float64)) + matrix[:, 2]


def move_keypoints(keypoints_xyv: tf.Tensor, matrix: tf.Tensor, flip_order: list[int]) -> tf.Tensor:
    """Returns keypoints (N, K, 3) in another frame; where the transform mirrors, left and right change places."""
    moved_xy = tf.cast(transform_points(keypoints_xyv[..., :2], matrix), tf.float32)
    moved = tf.concat([moved_xy, keypoints_xyv[..., 2:]], axis=-1)
    return tf.where(_determinant(matrix) < 0, tf.gather(moved, flip_order, axis=1), moved)


def _determinant(matrix: tf.Tensor) -> tf.Tensor:
    return matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]


def _shrinks_to_half(image: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    is_large = tf.reduce_min(tf.shape(image)[:2]) >= 2
    return (tf.abs(_determinant(matrix)) <= HALF_ZOOM**2) & is_large


def _halve(image: tf.Tensor, matrix: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # The mean of four bytes is exact in float32; halves are rounded up, as OpenCV does.
    means = tf.nn.avg_pool2d(tf.cast(image, tf.float32)[None], 2, 2, "VALID")[0]
    halved = tf.cast(tf.floor(means + 0.5), tf.uint8)
    zoomed = matrix[:, :2] @ HALVED_TO_WHOLE[:, :2]
    shift = matrix[:, :2] @ HALVED_TO_WHOLE[:, 2:] + matrix[:, 2:]
    return halved, tf.concat([zoomed, shift], axis=1)


def _sample_upright(image: tf.Tensor, to_image: tf.Tensor, input_hw: tuple[int, int]) -> tf.Tensor:
    """Returns float32 pixels; a black border gives edges the blend with black that OpenCV gives them."""
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]])
    # A box whose first corner lies behind the second mirrors.
    last_yx = tf.cast(tf.shape(padded)[:2] - 1, tf.float64)
    zoom_yx, shift_yx = tf.stack([to_image[1, 1], to_image[0, 0]]), tf.stack([to_image[1, 2], to_image[0, 2]]) + 1
    inputs_yx = tf.constant(input_hw, tf.float64) - 1
    box = tf.concat([shift_yx / last_yx, (zoom_yx * inputs_yx + shift_yx) / last_yx], axis=0)
    return tf.image.crop_and_resize(padded[None], tf.cast(box, tf.float32)[None], [0], input_hw)[0]


def _sample_turned(image: tf.Tensor, to_image: tf.Tensor, input_hw: tuple[int, int]) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=tf.cast(tf.concat([tf.reshape(to_image, (6,)), [0, 0]], axis=0), tf.float32)[None],
        output_shape=input_hw,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0]
