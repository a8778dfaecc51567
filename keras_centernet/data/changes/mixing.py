"""Mixes several images into one with the objects of all: mosaics of four, and MixUp of two (which can be mosaics).

Each part is warped separately and only once, with its own matrix, so its boxes and fields move as in any other image.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from keras_centernet.data.changes.placing import Choice, is_chosen, seed_of
from keras_centernet.data.fields import object_keys
from keras_centernet.data.source import size_wh_of
from keras_centernet.method.specs import FieldSpec

# Where the parts of a mosaic lie: by how many of its own widths and heights each part begins to the left of and above
# the common corner.
TILES = ((1, 1), (0, 1), (1, 0), (0, 0))
MIXUP_BETA = 32.0


@dataclasses.dataclass(frozen=True)
class Mixing:
    """Makes one example in the input's frame from one or several examples.

    Attributes:
        prepare: function from an example to the example changed in image pixels.
        place: function that adds "image_to_input" to an example.
        warp: function from a placed example to the example in the input's frame.
        finish: function that changes the colours of an example in the input's frame.
        mosaic, mixup: probabilities.
        input_hw: (height, width) of the input.
        fields: fields of the source; all of them have one row per object.
    """

    prepare: Callable[[dict], dict]
    place: Callable[[dict], dict]
    warp: Callable[[dict], dict]
    finish: Callable[[dict], dict]
    mosaic: float
    mixup: float
    input_hw: tuple[int, int]
    fields: Mapping[str, FieldSpec]

    def __call__(self, draw: Callable[[tf.Tensor], dict]) -> dict:
        """Returns the mixed example; the values of the image as a whole are those of example 0.

        Args:
            draw: function from a number, () int64, to an example with its own "seed": 0 gives the current example,
                other numbers give random ones. Examples are read only if they are needed.
        """
        image = tf.function(functools.partial(self._image, draw))  # as a `tf.function`, traced once for both images
        example = image(tf.constant(0, tf.int64))
        if self.mixup:
            example = tf.cond(
                is_chosen(example, Choice.MIXUP, self.mixup),
                lambda: self._blend(example, image(tf.constant(len(TILES), tf.int64))),
                lambda: example,
            )
        return self.finish(example)

    def _image(self, draw: Callable[[tf.Tensor], dict], first: tf.Tensor) -> dict:
        """Returns either a mosaic or the first image alone, at random, in the input's frame."""
        example = self.prepare(draw(first))
        if not self.mosaic:
            return self.warp(self.place(example))
        return tf.cond(
            is_chosen(example, Choice.MOSAIC, self.mosaic),
            lambda: self._mosaic([example, *(self.prepare(draw(first + i)) for i in range(1, len(TILES)))]),
            lambda: self.warp(self.place(example)),
        )

    def _mosaic(self, examples: Sequence[dict]) -> dict:
        """Returns one example of four that meet at a random corner, each at the size of its letterbox.

        The corner is a random point of a virtual image as large as the input. The virtual image is placed like any
        other; if its view reaches over its border, the parts show there, too.

        Source: `Mosaic` of Ultralytics, which uses a canvas of twice the input's sides and shows the middle of it.
        """
        middle = self.place({**examples[0], "image": tf.zeros((*self.input_hw, 3), tf.uint8)})
        size_wh = tf.constant(self.input_hw[::-1], tf.float64)
        corner_xy = size_wh * tf.random.stateless_uniform((2,), seed_of(middle, Choice.CORNER), dtype=tf.float64)
        parts = []
        for before, example in zip(TILES, examples, strict=True):
            image_wh = tf.cast(size_wh_of(example["image"]), tf.float64)
            zoom = tf.reduce_min(size_wh / image_wh)
            shift_xy = corner_xy - zoom * image_wh * tf.constant(before, tf.float64)
            matrices = {key: _compose(middle[key], zoom, shift_xy) for key in middle if key.endswith("_to_input")}
            parts.append(self.warp({**middle, **_cut_at_border(example), **matrices}))
        # The parts do not overlap and black is 0, so the sum blends parts at their seams as images blend with black.
        image = tf.add_n([tf.cast(part["image"], tf.int32) for part in parts])
        return self._together(parts, tf.cast(tf.minimum(image, 255), tf.uint8))

    def _blend(self, first: dict, second: dict) -> dict:
        """Returns the mean of two images with random weights that are rarely far from equal.

        Source: `MixUp` of Ultralytics, which draws the weight from Beta(32, 32).
        """
        draws = tf.random.stateless_gamma((2,), seed_of(first, Choice.SHARE), MIXUP_BETA)
        share = draws[0] / tf.reduce_sum(draws)
        images = [tf.cast(example["image"], tf.float32) for example in (first, second)]
        image = tf.cast(tf.round(images[1] + share * (images[0] - images[1])), tf.uint8)
        # A mark such as "is_zoomed" means that something cannot be learnt from an image, nor from a mixture with it.
        marks = [key for key, value in first.items() if value.dtype == tf.bool and value.shape.rank == 0]
        return self._together([first, second], image) | {key: first[key] | second[key] for key in marks}

    def _together(self, parts: Sequence[dict], image: tf.Tensor) -> dict:
        rows = {key: tf.concat([part[key] for part in parts], axis=0) for key in object_keys(self.fields)}
        return {**parts[0], **rows, "image": image}


def _compose(outer: tf.Tensor, zoom: tf.Tensor, shift_xy: tf.Tensor) -> tf.Tensor:
    """Returns the (2, 3) matrix that first zooms and shifts and then applies `outer`."""
    linear = outer[:, :2]
    return tf.concat([zoom * linear, (tf.linalg.matvec(linear, shift_xy) + outer[:, 2])[:, None]], axis=1)


def _cut_at_border(example: dict) -> dict:
    """Returns the example without anything beyond its image's border, where another part of the mosaic can begin.

    Boxes are clipped to the image, and keypoints outside it become unmarked.
    """
    size_wh = tf.cast(size_wh_of(example["image"]), tf.float32)
    cut = {"boxes_xyxy": tf.clip_by_value(example["boxes_xyxy"], 0, tf.tile(size_wh, [2]))}
    for name in example:
        if name.endswith("_xyv"):
            xy, marks = example[name][..., :2], example[name][..., 2:]
            is_inside = tf.reduce_all((xy >= 0) & (xy < size_wh), axis=-1, keepdims=True)
            cut[name] = tf.concat([xy, tf.where(is_inside, marks, 0)], axis=-1)
    return {**example, **cut}
