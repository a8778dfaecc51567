"""What `images`, `geometry` and `fields` do, in TensorFlow alone: for processes without this package.

The same resampling rule (halved by averaging while the image shrinks to half or less, then bilinear, black outside)
gives the same pixels up to rounding. It takes about four times as long as OpenCV, which is therefore the default.
`exporting.letterbox` follows the same rule for batches of float images that are never mirrored or rotated. It samples
at float32 positions axis by axis, whereas `crop_and_resize` interpolates both axes at once, so sharing the code would
change pixels.
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from keras_centernet.data.fields import object_keys
from keras_centernet.data.image_headers import GIF_START, MAX_PIXELS, PNG_BITS_AT, PNG_START, SENSOR_TOPS
from keras_centernet.data.image_headers.tensors import (
    count_pixels,
    first_gif_frame,
    has_many_scans,
    is_animated_webp,
    stores_alpha,
)
from keras_centernet.geometry import HALF_ZOOM, HALVED_TO_WHOLE
from keras_centernet.method.specs import FieldSpec

FINE, DAMAGED, TOO_LARGE = 0, 1, 2
STATUSES = {
    FINE: "decoded",
    DAMAGED: "no JPEG, PNG, BMP, still WebP or GIF that can be decoded",
    TOO_LARGE: f"more than {MAX_PIXELS} pixels",
}


def keep_objects(example: dict, indices: tf.Tensor, fields: Mapping[str, FieldSpec]) -> dict:
    """Returns the example with only the objects in rows `indices` (n,), in that order; `fields` are its source's."""
    return {**example, **{key: tf.gather(example[key], indices) for key in object_keys(fields)}}


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the (H, W, 3) uint8 RGB image of an encoded file: JPEG, PNG, BMP, still WebP or the first frame of a GIF.

    The EXIF orientation is not applied; 16-bit PNGs are scaled as `images.read_image` says. Damaged files raise.
    `try_to_decode` catches that, and checks the size before decoding.
    """
    is_gif = tf.strings.substr(encoded, 0, len(GIF_START)) == GIF_START
    encoded = tf.cond(is_gif, lambda: first_gif_frame(encoded)[0], lambda: encoded)
    is_deep = _is_deep_png(encoded)
    image = tf.cond(is_deep, lambda: _decode_deep_png(encoded), lambda: _decode_bytes(encoded))
    return tf.ensure_shape(image, (None, None, 3))


def try_to_decode(
    encoded: tf.Tensor, decode: Callable[[tf.Tensor], tf.Tensor] = decode_image
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (image (H, W, 3) uint8, () int32 key of `STATUSES`); a small black image unless the status is `FINE`.

    Never raises, and does not decode a file whose header promises more than `MAX_PIXELS`.

    Args:
        encoded: () string.
        decode: function from the encoded file to its image.
    """

    @tf.autograph.experimental.do_not_convert
    def read(encoded):
        is_large = count_pixels(encoded) > MAX_PIXELS
        return tf.cond(is_large, lambda: _no_image(TOO_LARGE), lambda: (decode(encoded), tf.constant(FINE)))

    return first_that_works(encoded, read, lambda _: _no_image(DAMAGED))


def first_that_works(value: tf.Tensor, function: Callable, otherwise: Callable) -> tf.Tensor | tuple | dict:
    """Returns function(value) or, if that raises, otherwise(value): `try` and `except` inside a graph.

    Both functions must return tensors of the same structure and compatible shapes.
    """
    one = tf.data.Dataset.from_tensors(value)
    return one.map(function).ignore_errors().concatenate(one.map(otherwise)).take(1).get_single_element()


def _no_image(status: int) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.zeros((32, 32, 3), tf.uint8), tf.constant(status)


def _decode_bytes(encoded: tf.Tensor) -> tf.Tensor:
    # With the accurate transform a JPEG's pixels equal OpenCV's; `tf.io.decode_image` uses the fast transform.
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(_refused(encoded, has_many_scans), channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: _decode_other(_refused(encoded, is_animated_webp)),
    )


def _refused(encoded: tf.Tensor, condition: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Returns the encoded file; raises in the graph if the condition holds for it."""
    with tf.control_dependencies([tf.debugging.Assert(~condition(encoded), [condition.__name__])]):
        return tf.identity(encoded)


def _decode_other(encoded: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        stores_alpha(encoded),
        lambda: tf.io.decode_image(encoded, channels=4, expand_animations=False)[..., :3],
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )


def _is_deep_png(encoded: tf.Tensor) -> tf.Tensor:
    start = tf.strings.substr(encoded, 0, PNG_BITS_AT + 1)
    return (tf.strings.substr(start, 0, len(PNG_START)) == PNG_START) & (_last_byte(start) == 16)


def _decode_deep_png(encoded: tf.Tensor) -> tf.Tensor:
    values = tf.cast(tf.io.decode_png(encoded, channels=3, dtype=tf.uint16), tf.int32)
    parts = tf.strings.split(tf.strings.split(encoded, "IDAT", maxsplit=1)[0], "sBIT", maxsplit=1)
    tops = tf.cond(tf.size(parts) > 1, lambda: _stated_tops(parts), lambda: tf.constant(SENSOR_TOPS))
    top = tf.reduce_min(tf.boolean_mask(tops, tops >= tf.reduce_max(values)))
    scale = tf.cast(255 / top, tf.float32)
    return tf.cast(tf.round(tf.cast(values, tf.float32) * scale), tf.uint8)


def _stated_tops(parts: tf.Tensor) -> tf.Tensor:
    """Returns `parsing.stated_tops` as a tensor; `parts` are the bytes before and after the name of the sBIT chunk."""
    length = _last_byte(parts[0])
    used = tf.io.decode_raw(tf.strings.substr(parts[1], 0, length), tf.uint8)
    bits = tf.clip_by_value(tf.cast(tf.reduce_max(used[: length - 1 + length % 2]), tf.int32), 1, 16)
    return tf.stack([tf.bitwise.left_shift(1, bits) - 1, SENSOR_TOPS[-1]])


def _last_byte(text: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(text, tf.uint8)[-1], tf.int32)


def resample(
    example: dict, fields: Sequence[str], flip_order: Sequence[int] | None, input_hw: tuple[int, int]
) -> dict[str, tf.Tensor]:
    """Returns what `placing.warp` asks for; the TensorFlow counterpart of `placing.resample_by_opencv`."""
    matrix = example["image_to_input"]
    boxes_matrix = example.get("boxes_to_input", matrix)
    matrices = {name: boxes_matrix if name.endswith("_xyxy") else matrix for name in fields}
    return {
        "image": warp(example["image"], matrix, input_hw, turns="boxes_to_input" in example),
        "boxes_xyxy": move("boxes_xyxy", example["boxes_xyxy"], boxes_matrix),
        **{name: move(name, example[name], matrices[name], flip_order) for name in fields},
    }


def warp(image: tf.Tensor, matrix: tf.Tensor, input_hw: tuple[int, int], turns: bool = False) -> tf.Tensor:
    """Returns the (height, width, 3) uint8 image resampled into the input.

    Args:
        image: (H, W, 3) uint8.
        matrix: (2, 3) float64 from image to input.
        input_hw: (height, width) of the input.
        turns: whether the matrix can contain a rotation. Without one, a faster operator is used.
    """
    image, matrix = tf.while_loop(
        _shrinks_to_half, _halve, (image, matrix), (tf.TensorShape((None, None, 3)), tf.TensorShape((2, 3)))
    )
    linear = tf.linalg.inv(matrix[:, :2])
    to_image = tf.concat([linear, -linear @ matrix[:, 2:]], axis=1)
    warped = (_sample_turned if turns else _sample_upright)(image, to_image, input_hw)
    return tf.ensure_shape(tf.cast(tf.round(warped), tf.uint8), (*input_hw, 3))


def move(name: str, values: tf.Tensor, matrix: tf.Tensor, flip_order: Sequence[int] | None = None) -> tf.Tensor:
    """Returns a moving field's values (N, ...), transformed by a (2, 3) float64 matrix; `fields.move` for tensors."""
    return tf.cast(_MOVES[name.rpartition("_")[2]](values, matrix, flip_order), tf.float32)


def is_repeated(boxes_xyxy: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Returns (N,) bool: whether an earlier object has the same box and class."""
    is_same = tf.reduce_all(boxes_xyxy[:, None] == boxes_xyxy[None], axis=-1) & (classes[:, None] == classes[None])
    counts = tf.linalg.band_part(tf.cast(is_same, tf.int32), -1, 0)
    return tf.reduce_sum(counts, axis=1) > 1


def _move_vectors(vectors_dxy: tf.Tensor, matrix: tf.Tensor, _=None) -> tf.Tensor:
    return tf.linalg.matvec(matrix[:, :2], tf.cast(vectors_dxy, tf.float64))


def _move_points(points_xy: tf.Tensor, matrix: tf.Tensor, _=None) -> tf.Tensor:
    return _move_vectors(points_xy, matrix) + matrix[:, 2]


def _move_boxes(boxes_xyxy: tf.Tensor, matrix: tf.Tensor, _=None) -> tf.Tensor:
    first, second = _move_points(boxes_xyxy[..., :2], matrix), _move_points(boxes_xyxy[..., 2:], matrix)
    return tf.concat([tf.minimum(first, second), tf.maximum(first, second)], axis=-1)


def _move_keypoints(keypoints_xyv: tf.Tensor, matrix: tf.Tensor, flip_order: Sequence[int] | None) -> tf.Tensor:
    moved_xy = tf.cast(_move_points(keypoints_xyv[..., :2], matrix), tf.float32)
    moved = tf.concat([moved_xy, keypoints_xyv[..., 2:]], axis=-1)
    if flip_order is None:
        return moved
    return tf.where(_determinant(matrix) < 0, tf.gather(moved, flip_order, axis=-2), moved)


_MOVES = {"xy": _move_points, "xyxy": _move_boxes, "dxy": _move_vectors, "xyv": _move_keypoints}


def _determinant(matrix: tf.Tensor) -> tf.Tensor:
    return matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]


def _shrinks_to_half(image: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    is_large = tf.reduce_min(tf.shape(image)[:2]) >= 2
    return (tf.abs(_determinant(matrix)) <= HALF_ZOOM**2) & is_large


def _halve(image: tf.Tensor, matrix: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # The mean of four bytes is exact in float32; .5 is rounded up, as in OpenCV.
    means = tf.nn.avg_pool2d(tf.cast(image, tf.float32)[None], 2, 2, "VALID")[0]
    halved = tf.cast(tf.floor(means + 0.5), tf.uint8)
    zoomed = matrix[:, :2] @ HALVED_TO_WHOLE[:, :2]
    shift = matrix[:, :2] @ HALVED_TO_WHOLE[:, 2:] + matrix[:, 2:]
    return halved, tf.concat([zoomed, shift], axis=1)


def _sample_upright(image: tf.Tensor, to_image: tf.Tensor, input_hw: tuple[int, int]) -> tf.Tensor:
    """Returns float32 pixels; the black border makes image edges blend with black as in OpenCV."""
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]])
    # A box whose first corner comes after its second mirrors the image.
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
