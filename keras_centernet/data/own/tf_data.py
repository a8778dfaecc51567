"""A tf.data data set of the user's batches -> one of ours."""

import tensorflow as tf

from keras_centernet.data.own.converter import Converter
from keras_centernet.data.own.labels import IMAGES, keys_of, to_dense, unpack
from keras_centernet.errors import UserError


def check_batched(dataset: tf.data.Dataset, where: str) -> None:
    """Raises if the data set consists of single images, or of images whose sizes can differ."""
    spec = unpack(dataset.element_spec, where)[0]
    if isinstance(spec, tf.RaggedTensorSpec):
        problem = "got a RaggedTensor; resize them, or tell their size before: tf.ensure_shape(image, (H, W, 3))."
        raise UserError(f"{where}: {IMAGES}: expected batches (B, H, W, 3) of one size, {problem}")
    if spec.shape.rank == 3:
        advice = "dataset.ragged_batch(8) makes some; load_dataset(dataset, classes=...) augments them, too"
        raise UserError(f"{where}: {IMAGES}: expected batches (B, H, W, 3), got single ones {spec.shape}; {advice}.")


def convert_dataset(dataset: tf.data.Dataset, converter: Converter, first: tuple) -> tf.data.Dataset:
    """Returns the data set of (images, padded objects) of static shapes.

    Images stay in the graph; NumPy converts all labels of a batch in one call.

    Args:
        dataset: data set of batches.
        converter: converter of these batches.
        first: the first batch.
    """
    images, sample = converter(first)
    where, image_shape = converter.expected.where, (None, *images.shape[1:])

    def convert(*batch):
        images, labels = unpack(batch if len(batch) > 1 else batch[0], where)
        keys = keys_of(labels, converter.expected.fields, where)

        def to_objects(image_hw, *values):
            objects = converter.to_objects(dict(zip(keys, values, strict=True)), image_hw)
            return [objects[name] for name in sample]

        given = [tf.shape(images)[1:3], *(to_dense(labels[key]) for key in keys)]
        types = [values.dtype for values in sample.values()]
        objects = tf.numpy_function(to_objects, given, types, stateful=False)
        images.set_shape(image_shape)  # `ensure_shape` would raise its own error before the converter raises its line
        shapes = [(None, *values.shape[1:]) for values in sample.values()]
        return images, {n: tf.ensure_shape(v, s) for n, v, s in zip(sample, objects, shapes, strict=True)}

    return dataset.map(convert, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
