"""From examples in the input's frame to batches of (images, objects), padded to `max_objects` rows."""

import warnings
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_centernet.data.counting import WarningCounter, warn_counted
from keras_centernet.data.in_graph import keep_objects
from keras_centernet.data.source import Source
from keras_centernet.errors import DataWarning
from keras_centernet.method.specs import FieldSpec

NOT_IN_OBJECTS = ("image", "seed")
_TOO_MANY = "image(s) with more than max_objects = {} objects, only the largest are kept (raise max_objects)"


def to_batches(
    inputs: tf.data.Dataset,
    batch_size: int,
    max_objects: int,
    input_hw: tuple[int, int] | None,
    drop_remainder: bool,
    fields: Mapping[str, FieldSpec],
    too_many: WarningCounter | None = None,
) -> tf.data.Dataset:
    """Returns batches as `pipeline.py` describes them.

    Args:
        inputs: examples in the input's frame.
        batch_size: images in a batch.
        max_objects: M; if an example has more objects, the largest (by box in the input) are kept in their order.
            Hidden regions are dropped first.
        input_hw: (height, width) of all images; None if they differ: then each batch has images of one size.
        drop_remainder: whether a last partial batch is left out.
        fields: fields of the source.
        too_many: counts examples with more objects; None if they were counted before.
    """

    def padded(spec):
        return [max_objects if side is None else side for side in spec.shape]

    pairs = inputs.map(lambda example: _split_example(example, max_objects, fields, too_many))
    objects_shapes = tf.nest.map_structure(padded, pairs.element_spec[1])
    if input_hw is None:
        return _batch_by_shape(pairs, batch_size, ((None, None, 3), objects_shapes))
    return pairs.padded_batch(batch_size, ((*input_hw, 3), objects_shapes), drop_remainder=drop_remainder)


def _split_example(
    example: dict, max_objects: int, fields: Mapping[str, FieldSpec], too_many: WarningCounter | None
) -> tuple[tf.Tensor, dict]:
    """Returns (image, objects) of one example in the input's frame; objects have up to `max_objects` rows."""
    count = tf.shape(example["classes"])[0]
    if too_many is not None:
        too_many.add_if(count > max_objects, tf.strings.as_string(example["image_id"]))
    sizes_wh = example["boxes_xyxy"][:, 2:] - example["boxes_xyxy"][:, :2]
    areas = sizes_wh[:, 0] * sizes_wh[:, 1]
    ranks = tf.where(example["is_hidden"], -1 / (1 + areas), areas) if "is_hidden" in example else areas
    largest = tf.cond(
        count > max_objects,
        lambda: tf.sort(tf.math.top_k(ranks, max_objects).indices),
        lambda: tf.range(count),
    )
    example = keep_objects(example, largest, fields)
    objects = {key: values for key, values in example.items() if key not in NOT_IN_OBJECTS}
    objects["mask"] = tf.ones_like(example["classes"], tf.bool)
    objects["image_to_input"] = tf.cast(example["image_to_input"], tf.float32)
    return example["image"], objects


def warn_of_many(source: Source, max_objects: int, size: int, is_mixed: bool = False) -> WarningCounter | None:
    """Warns of images with too many objects; if they are not known beforehand, returns the counter for them.

    Mixed images are never known beforehand.
    """
    if is_mixed:
        return WarningCounter(_TOO_MANY.format(max_objects))
    if source.object_counts is not None:
        crowded = np.flatnonzero(source.object_counts[:size] > max_objects)
        names = [f"{source.image_names[i]} with {source.object_counts[i]}" for i in crowded]
        warn_counted(names, _TOO_MANY.format(max_objects))
    elif source.most_objects is None:
        return WarningCounter(_TOO_MANY.format(max_objects))
    elif source.most_objects > max_objects:
        what = f"{source.name}: images with up to {source.most_objects} objects, more than max_objects = {max_objects}"
        warnings.warn(DataWarning(f"{what}; only the largest are kept (raise max_objects)"), stacklevel=3)
    return None


def _batch_by_shape(examples: tf.data.Dataset, batch_size: int, shapes) -> tf.data.Dataset:
    """Returns batches of images of one shape each; the last batch of each shape can be smaller."""

    def shape_key(image, objects):
        height, width = tf.unstack(tf.shape(image, tf.int64)[:2])
        return height * 2**31 + width

    def to_batch(key, group):
        return group.padded_batch(batch_size, shapes)

    return examples.group_by_window(shape_key, to_batch, window_size=batch_size)
