"""Where an image lands in the network's input: functions from example to example.

Each function sets "image_to_input" (a (2, 3) float64 matrix) or composes it with another; `warp` then resamples the
image once and moves the boxes. Randomness comes from the example's own "seed" ((2,) int64), so the same seed gives the
same data for any number of workers. Colours are changed later, by `colors` and in the training step.

The "extent" is the number of image pixels that the input's width covers.
"""

import enum
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_centernet import geometry
from keras_centernet.data.annotations import meets
from keras_centernet.data.fields import move, moving
from keras_centernet.data.in_graph import keep_objects
from keras_centernet.data.source import size_wh_of
from keras_centernet.method.specs import FieldSpec

# As published: 0.6, 0.7, ..., 1.3.
CROP_SCALES = np.round(np.arange(0.6, 1.35, 0.1), 1)
SHIFT, SCALE = 0.1, 0.4
ZOOMED_SHARE = TURNED_SHARE = 0.5
_CROP_BORDER = 128


class Choice(enum.IntEnum):
    """The random choices of one example; the number of each is added to the example's seed."""

    SCALE = 0
    X = 1
    Y = 2
    FLIP = 3
    ZOOM = 4
    TURN = 5
    ANGLE = 6
    VERTICAL_FLIP = 7
    COLOR = 8
    MOSAIC = 9
    CORNER = 10
    MIXUP = 11
    SHARE = 12


def seed_of(example: dict, choice: Choice) -> tf.Tensor:
    """Returns the seed (2,) int64 of one random choice of an example."""
    return example["seed"] + tf.constant([0, choice], tf.int64)


def is_chosen(example: dict, choice: Choice, probability: float) -> tf.Tensor:
    """Returns () bool: a random choice of an example, True with that probability."""
    return tf.random.stateless_uniform((), seed_of(example, choice)) < probability


def letterbox(example: dict, input_hw: tuple[int, int]) -> dict:
    """Returns the example with its whole image centred and not stretched; equals `geometry.letterbox`."""
    center_xy, extent = _whole_image(example, input_hw)
    return {**example, "image_to_input": _similarity(center_xy, extent, input_hw)}


def random_crop(example: dict, input_hw: tuple[int, int]) -> dict:
    """Returns the example cropped around a random point: the published (CornerNet-style) default.

    The extent is 0.6, 0.7, ... or 1.3 times the letterbox's; the centre is a whole pixel, uniform inside
    a border of 128 pixels, halved until it leaves room (64 for sides of 129 to 256, ...).

    Source: `CTDetDataset.__getitem__`. For inputs that are not square the letterbox's extent is scaled
        instead of the longer side, so that training and evaluation see objects at the same size.
    """
    _, extent = _whole_image(example, input_hw)
    choice = _uniform_int(example, Choice.SCALE, 0, len(CROP_SCALES))
    width, height = tf.unstack(size_wh_of(example["image"]))
    center_xy = tf.stack([_random_center(example, Choice.X, width), _random_center(example, Choice.Y, height)])
    extent *= tf.gather(tf.constant(CROP_SCALES, tf.float64), choice)
    return {**example, "image_to_input": _similarity(center_xy, extent, input_hw)}


def random_shift_scale(example: dict, input_hw: tuple[int, int]) -> dict:
    """Returns the example shifted and scaled at random: the published `--not_rand_crop`.

    The centre moves by clip(0.1 N(0, 1), -0.2, 0.2) of the extent in x and in y; then the extent is
    multiplied by clip(1 + 0.4 N(0, 1), 0.6, 1.4).
    """
    center_xy, extent = _whole_image(example, input_hw)
    moved_xy = center_xy + extent * _shift_xy(example)
    return {**example, "image_to_input": _similarity(moved_xy, extent * _scale(example), input_hw)}


def zoom_half(example: dict, input_hw: tuple[int, int]) -> dict:
    """Returns the example either shifted and scaled at random, with probability 1/2, or letterboxed.

    "is_zoomed" marks the former. Their zoom is clip(1 + 0.4 N(0, 1), 0.6, 1.4), their shift clip(0.1 N(0, 1), -0.2,
    0.2) of the image's width and height. A zoomed image shows wrong distances, so tasks that learn them use the mark.

    Source: `aug_ddd` of the published `DddDataset`.
    """
    center_xy, extent = _whole_image(example, input_hw)
    is_zoomed = is_chosen(example, Choice.ZOOM, ZOOMED_SHARE)
    moved_xy = center_xy + tf.cast(size_wh_of(example["image"]), tf.float64) * _shift_xy(example)
    scaled = extent * _scale(example)
    matrix = _similarity(tf.where(is_zoomed, moved_xy, center_xy), tf.where(is_zoomed, scaled, extent), input_hw)
    return {**example, "image_to_input": matrix, "is_zoomed": is_zoomed}


def random_flip(example: dict, input_hw: tuple[int, int], probability: float = 0.5) -> dict:
    """Returns the example mirrored left to right with that probability.

    As published: the image (x -> W - 1 - x) and the crop's centre (c -> W - 1 - c) are mirrored, which together gives
    x -> Wi - x in input pixels. Flipping twice is the identity.
    """
    return _mirrored(example, is_chosen(example, Choice.FLIP, probability), (-1, 1), (input_hw[1], 0))


def random_vertical_flip(example: dict, input_hw: tuple[int, int], probability: float) -> dict:
    """Returns the example mirrored top to bottom with that probability: y -> Hi - y in input pixels.

    Left and right keypoints are exchanged, as in every mirror image.
    """
    return _mirrored(example, is_chosen(example, Choice.VERTICAL_FLIP, probability), (1, -1), (0, input_hw[0]))


def random_rotation(example: dict, input_hw: tuple[int, int], degrees: float) -> dict:
    """Returns the example rotated about the input's middle with probability 1/2, then marked by "is_rotated".

    The angle is clip(N(0, degrees), -2 degrees, 2 degrees). Boxes are not rotated: "boxes_to_input" keeps their matrix.
    Tasks with keypoints use the mark and learn only the keypoints' positions from a rotated image. Call this function
    after all other placing functions.

    Source: `aug_rot` and `rotate` of the published `MultiPoseDataset`.
    """
    is_rotated = is_chosen(example, Choice.TURN, TURNED_SHARE)
    angle = tf.clip_by_value(degrees * _normal(example, Choice.ANGLE), -2 * degrees, 2 * degrees) * (np.pi / 180)
    angle = tf.where(is_rotated, angle, 0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    turn = tf.stack([tf.stack([cosine, sine]), tf.stack([-sine, cosine])])
    middle_xy = tf.constant(input_hw[::-1], tf.float64) / 2
    matrix = example["image_to_input"]
    shift = tf.linalg.matvec(turn, matrix[:, 2] - middle_xy) + middle_xy
    turned = tf.concat([turn @ matrix[:, :2], shift[:, None]], axis=1)
    return {**example, "image_to_input": turned, "boxes_to_input": matrix, "is_rotated": is_rotated}


def warp(
    example: dict,
    input_hw: tuple[int, int],
    fields: Mapping[str, FieldSpec] | None = None,
    flip_order: Sequence[int] | None = None,
    resample: Callable | None = None,
) -> dict:
    """Returns the example with image, boxes and moving fields in the input's frame, according to "image_to_input".

    "image" becomes (input height, input width, 3) uint8. "boxes_xyxy" are in input pixels and not clipped. "image_hw"
    (2,) int32 holds the original size. Objects entirely outside the input are dropped.

    Args:
        example: placed by one of the functions above.
        input_hw: (height, width) of the input.
        fields, flip_order: attributes of the `Source`.
        resample: function (example, names of moving fields, flip_order, input_hw) -> {"image", "boxes_xyxy", those
            fields} in the input's frame: `in_graph.resample`, or None for `resample_by_opencv`.
    """
    fields = fields or {}
    moved = (resample or resample_by_opencv)(example, moving(fields), flip_order, input_hw)
    image, boxes_xyxy = moved.pop("image"), tf.ensure_shape(moved.pop("boxes_xyxy"), (None, 4))
    warped = {
        **{key: values for key, values in example.items() if key != "boxes_to_input"},
        "image": tf.ensure_shape(image, (*input_hw, 3)),
        "boxes_xyxy": boxes_xyxy,
        "image_hw": tf.shape(example["image"])[:2],
        **{key: tf.ensure_shape(values, example[key].shape) for key, values in moved.items()},
    }
    return keep_objects(warped, tf.where(meets(boxes_xyxy, *input_hw))[:, 0], fields)


def resample_by_opencv(
    example: dict, fields: Sequence[str], flip_order: Sequence[int] | None, input_hw: tuple[int, int]
) -> dict[str, tf.Tensor]:
    """Returns what `warp` asks for, computed by `geometry.warp` in NumPy."""
    names = ("boxes_xyxy", *fields)

    def warp_numpy(image, boxes_matrix, matrix, *values):
        matrices = [boxes_matrix if name.endswith("_xyxy") else matrix for name in names]
        moved = [move(*one, flip_order) for one in zip(names, values, matrices, strict=True)]
        return geometry.warp(image, matrix, input_hw), *moved

    matrix = example["image_to_input"]
    arguments = [example["image"], example.get("boxes_to_input", matrix), matrix, *(example[name] for name in names)]
    types = [tf.uint8] + [tf.float32] * len(names)
    moved = tf.numpy_function(warp_numpy, arguments, types, stateful=False)
    return dict(zip(("image", *names), moved, strict=True))


def _whole_image(example: dict, input_hw: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the image's centre (2,) and how many image pixels the input's width covers in a letterbox, float64."""
    size_wh = tf.cast(size_wh_of(example["image"]), tf.float64)
    zoom = tf.reduce_min(tf.constant(input_hw[::-1], tf.float64) / size_wh)
    return size_wh / 2, input_hw[1] / zoom


def _similarity(center_xy: tf.Tensor, extent: tf.Tensor, input_hw: tuple[int, int]) -> tf.Tensor:
    """Returns `geometry.affine` without rotation as a (2, 3) float64 tensor."""
    zoom = input_hw[1] / extent
    shift_xy = tf.constant(input_hw[::-1], tf.float64) / 2 - zoom * center_xy
    return tf.concat([zoom * tf.eye(2, dtype=tf.float64), shift_xy[:, None]], axis=1)


def _mirrored(example: dict, is_flipped: tf.Tensor, signs_xy: tuple[int, int], shift_xy: tuple[int, int]) -> dict:
    matrix = example["image_to_input"]
    mirror = tf.constant(np.diag(signs_xy), tf.float64)
    flipped = mirror @ matrix + tf.constant([[0, 0, shift_xy[0]], [0, 0, shift_xy[1]]], tf.float64)
    return {**example, "image_to_input": tf.where(is_flipped, flipped, matrix)}


def _random_center(example: dict, choice: Choice, side: tf.Tensor) -> tf.Tensor:
    """Returns a whole pixel in [border, side - border) as float64."""
    halved = tf.constant([_CROP_BORDER >> i for i in range(_CROP_BORDER.bit_length() + 1)])
    border = halved[tf.argmax(side > 2 * halved)]
    return tf.cast(_uniform_int(example, choice, border, side - border), tf.float64)


def _shift_xy(example: dict) -> tf.Tensor:
    shift_xy = tf.stack([_normal(example, Choice.X), _normal(example, Choice.Y)])
    return tf.clip_by_value(SHIFT * shift_xy, -2 * SHIFT, 2 * SHIFT)


def _scale(example: dict) -> tf.Tensor:
    return tf.clip_by_value(1 + SCALE * _normal(example, Choice.SCALE), 1 - SCALE, 1 + SCALE)


def _uniform_int(example: dict, choice: Choice, low, high) -> tf.Tensor:
    return tf.random.stateless_uniform((), seed_of(example, choice), low, high, tf.int32)


def _normal(example: dict, choice: Choice) -> tf.Tensor:
    return tf.random.stateless_normal((), seed_of(example, choice), dtype=tf.float64)
