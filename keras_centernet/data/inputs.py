"""Maps an example into the input's frame: randomly for training, by a `geometry.View` for tests."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from keras_centernet import geometry
from keras_centernet.data import fields, in_graph
from keras_centernet.data.changes import placing
from keras_centernet.data.changes.colors import random_hsv
from keras_centernet.data.changes.mixing import Mixing
from keras_centernet.data.changes.own import build_own
from keras_centernet.data.source import Source

AUGMENTATIONS = {
    "crop": placing.random_crop,
    "shift": placing.random_shift_scale,
    "zoom_half": placing.zoom_half,
    "none": placing.letterbox,
}


def _fit(input_hw: tuple[int, int], multiple_of: int, scale: float) -> Callable:
    return functools.partial(geometry.fixed_resolution, input_hw=input_hw, scale=scale)


def _keep(input_hw: tuple[int, int], multiple_of: int, scale: float) -> Callable:
    return functools.partial(geometry.keep_resolution, multiple_of=multiple_of, scale=scale)


# How images are brought to the network's size. Each entry returns the function from an image's (height, width) to its
# `View`.
RESIZES = {"fit": _fit, "keep": _keep}


@dataclasses.dataclass(frozen=True)
class Changes:
    """The random changes of training; the attributes are the arguments of `load_dataset`."""

    augmentation: str = "none"
    flip: float = 0.0
    rotation: float = 0.0
    augment: Callable[[dict], dict] | None = None
    vertical_flip: float = 0.0
    hsv: tuple[float, float, float] | None = None
    mosaic: float = 0.0
    mixup: float = 0.0

    def place(self, example: dict, input_hw: tuple[int, int]) -> dict:
        """Returns the example with its random place in the input as "image_to_input"."""
        example = AUGMENTATIONS[self.augmentation](example, input_hw)
        example = placing.random_flip(example, input_hw, self.flip) if self.flip else example
        if self.vertical_flip:
            example = placing.random_vertical_flip(example, input_hw, self.vertical_flip)
        return placing.random_rotation(example, input_hw, self.rotation) if self.rotation else example


def build_training_input(
    source: Source, input_hw: tuple[int, int], changes: Changes, is_tensor: bool = False
) -> tuple[Callable[[dict], dict], Mixing | None]:
    """Returns two functions that make examples in the input's frame, changed at random by the "seed" of each example.

    The first function takes an example. The second takes `draw` (see `Passes.mix`) and is None if nothing is mixed.
    `is_tensor` says whether TensorFlow alone resamples the images, without OpenCV.
    """
    resample = in_graph.resample if is_tensor else placing.resample_by_opencv
    flip_order = source.flip_order
    prepare = build_own(changes.augment, source, is_tensor) if changes.augment is not None else _unchanged

    def place(example: dict) -> dict:
        return changes.place(example, input_hw)

    def warp(example: dict) -> dict:
        return placing.warp(example, input_hw, source.fields, flip_order, resample)

    def finish(example: dict) -> dict:
        return random_hsv(example, changes.hsv, is_tensor) if changes.hsv and any(changes.hsv) else example

    def to_input(example: dict) -> dict:
        return finish(warp(place(prepare(example))))

    if not (changes.mosaic or changes.mixup):
        return to_input, None
    # As a `tf.function`, the warp is traced once and shared by all parts.
    steps = (prepare, place, tf.function(warp), finish)
    return to_input, Mixing(*steps, changes.mosaic, changes.mixup, input_hw, source.fields)


def build_test_input(
    source: Source, input_hw: tuple[int, int], resize: str, multiple_of: int, scale: float
) -> Callable[[dict], dict]:
    """Returns the function that maps an example into the input's frame, without random changes.

    The arguments are those of `build_training_input` and `load_dataset`.
    """
    place = RESIZES[resize](input_hw, multiple_of, scale)
    return functools.partial(to_view, place=place, source=source)


def to_view(example: dict, place: Callable, source: Source) -> dict:
    """Returns the example with image, boxes and moving fields in the input's frame, as `placing.warp` does.

    `place` is a function from (height, width) to `geometry.View`. Objects outside the view are kept, so that a test
    counts them as missed.
    """
    names, flip_order = ("boxes_xyxy", *fields.moving(source.fields)), source.flip_order

    def view_numpy(image, *values):
        with source.clock.measure("preprocess"):
            view = place(image.shape[:2])
            matrix = view.image_to_input
            moved = [fields.move(name, rows, matrix, flip_order) for name, rows in zip(names, values, strict=True)]
            return geometry.view(image, view), matrix, *moved

    types = [tf.uint8, tf.float64] + [tf.float32] * len(names)
    arguments = [example["image"], *(example[name] for name in names)]
    image, matrix, *moved = tf.numpy_function(view_numpy, arguments, types, stateful=False)
    return {
        **example,
        "image": tf.ensure_shape(image, (None, None, 3)),
        "image_hw": tf.shape(example["image"])[:2],
        "image_to_input": tf.ensure_shape(matrix, (2, 3)),
        **{name: tf.ensure_shape(v, example[name].shape) for name, v in zip(names, moved, strict=True)},
    }


def _unchanged(example: dict) -> dict:
    return example
