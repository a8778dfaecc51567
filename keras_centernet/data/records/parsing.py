"""One serialized record -> the rows of an example, by TensorFlow alone; damage never raises within an epoch."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from keras_centernet.data.annotations import has_extent, meets
from keras_centernet.data.in_graph import first_that_works, is_repeated
from keras_centernet.data.records import keys
from keras_centernet.data.records.image_ids import LARGEST_ID, NUMBER
from keras_centernet.data.records.label_map import LabelMap
from keras_centernet.method.specs import FieldSpec

_VISIBLE = 2.0  # COCO's v, assumed for keypoints of records without visibilities


@dataclasses.dataclass(frozen=True)
class RecordParser:
    """Turns records into examples without their image.

    Attributes:
        classes: names, in the order of the class indices.
        labels: what records call the classes.
        fields: what the example has beyond the usual keys, with fully known shapes.
        is_trusted: whether `make-tfrecords` wrote the records: every label is that of a class, every column has a value
            per object, no box is empty, outside or repeated. Checksums guard this, so it is not checked again.
    """

    classes: tuple[str, ...]
    labels: LabelMap
    fields: Mapping[str, FieldSpec] = dataclasses.field(default_factory=dict)
    is_trusted: bool = False

    def __call__(self, where: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the example of a () serialized record as in `source.py`, but in fractions of the image, not pixels.

        "encoded" () is its image; "where" () says where it comes from, file and number, and differs for all records.
        Unknown areas are 0. A damaged record has no image, no objects and a negative id.
        """
        if self.is_trusted:
            return self._parse(where, record)
        return first_that_works(record, lambda record: self._parse(where, record), lambda _: self._nothing(where))

    def _parse(self, where: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, self._spec())
        boxes_xyxy = tf.stack([parsed[key] for key in keys.CORNERS], axis=1)
        count = tf.shape(boxes_xyxy)[0]
        zeros = tf.zeros((count,), tf.int64)
        filled = (lambda values, default: values) if self.is_trusted else _filled
        rows = {
            "boxes_xyxy": boxes_xyxy,
            "classes": self._class_indices(parsed, count),
            "is_crowd": filled(parsed[keys.IS_CROWD], zeros) > 0,
            "is_difficult": filled(parsed[keys.IS_DIFFICULT], zeros) > 0,
            "areas": filled(parsed[keys.AREA], tf.zeros((count,))),
        }
        for name, spec in self.fields.items():
            if keys.are_keypoints(spec):
                rows[name] = self._keypoints(parsed, count, spec.shape[0])
            elif not spec.of_image:
                values = tf.reshape(parsed[keys.key_of(name, spec)], (count, *spec.shape))
                rows[name] = tf.cast(values, spec.dtype)
        if not self.is_trusted:
            is_good = has_extent(boxes_xyxy) & meets(boxes_xyxy, 1, 1) & ~is_repeated(boxes_xyxy, rows["classes"])
            rows = {name: values[is_good & (rows["classes"] >= 0)] for name, values in rows.items()}
        image = {
            name: tf.cast(_filled(parsed[keys.key_of(name, spec)], tf.zeros(spec.shape, spec.dtype)), spec.dtype)
            for name, spec in self.fields.items()
            if spec.of_image
        }
        named = tf.strings.join([where, ", image ", parsed[keys.FILENAME]])
        return {"encoded": parsed[keys.ENCODED], "where": named, "image_id": _image_id(parsed, where), **rows, **image}

    def _nothing(self, where: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the example of a damaged record."""
        return {
            "encoded": tf.constant(""),
            "where": where,
            "image_id": _damaged_id(where),
            "boxes_xyxy": tf.zeros((0, 4)),
            "classes": tf.zeros((0,), tf.int32),
            "is_crowd": tf.zeros((0,), tf.bool),
            "is_difficult": tf.zeros((0,), tf.bool),
            "areas": tf.zeros((0,)),
            **{
                name: tf.zeros(spec.shape if spec.of_image else (0, *spec.shape), spec.dtype)
                for name, spec in self.fields.items()
            },
        }

    def _spec(self) -> dict:
        """Returns the specification of the features that are read; a record may lack any of them."""
        texts = (keys.ENCODED, keys.FILENAME, keys.SOURCE_ID)
        lists = dict.fromkeys((keys.LABEL, keys.IS_CROWD, keys.IS_DIFFICULT), tf.int64)
        lists |= dict.fromkeys((*keys.CORNERS, keys.AREA), tf.float32)
        lists |= {} if self.is_trusted else {keys.TEXT: tf.string}
        for name, spec in self.fields.items():
            if keys.are_keypoints(spec):
                lists |= {keys.KEYPOINT_X: tf.float32, keys.KEYPOINT_Y: tf.float32, keys.KEYPOINT_VISIBILITY: tf.int64}
            else:
                lists[keys.key_of(name, spec)] = keys.stored_type(name, spec)
        spec = {key: tf.io.FixedLenFeature((), tf.string, "") for key in texts}
        return spec | {
            key: tf.io.FixedLenSequenceFeature((), dtype, allow_missing=True) for key, dtype in lists.items()
        }

    def _class_indices(self, parsed: dict, count: tf.Tensor) -> tf.Tensor:
        """Returns (N,) int32, -1 for none of the classes; as in the API a text takes precedence over a label."""
        if self.is_trusted:
            return self._look_up(parsed[keys.LABEL], self.labels.names)
        tf.debugging.assert_equal(tf.maximum(tf.size(parsed[keys.TEXT]), tf.size(parsed[keys.LABEL])), count)
        by_text = self._look_up(_filled(parsed[keys.TEXT], tf.fill((count,), "")), self.labels.texts)
        by_label = self._look_up(_filled(parsed[keys.LABEL], tf.zeros((count,), tf.int64)), self.labels.names)
        return tf.where(by_text >= 0, by_text, by_label)

    def _look_up(self, values: tf.Tensor, names: dict) -> tf.Tensor:
        # Not a hash table: it would be a resource, which the workers of a data service do not have.
        known = tf.constant(list(names), values.dtype)
        indices = [self.classes.index(name) if name in self.classes else -1 for name in names.values()]
        is_same = values[:, None] == known[None]
        found = tf.gather(tf.constant(indices, tf.int32), tf.argmax(tf.cast(is_same, tf.int32), axis=1))
        return tf.where(tf.reduce_any(is_same, axis=1), found, -1)

    def _keypoints(self, parsed: dict, count: tf.Tensor, keypoints: int) -> tf.Tensor:
        """Returns (N, K, 3) fractions and COCO's v; some tools write NaN for keypoints that are not marked."""
        x, y = parsed[keys.KEYPOINT_X], parsed[keys.KEYPOINT_Y]
        marks = _filled(tf.cast(parsed[keys.KEYPOINT_VISIBILITY], tf.float32), tf.fill(tf.shape(x), _VISIBLE))
        rows = tf.reshape(tf.stack([x, y, marks], axis=1), (-1, 3))
        rows = tf.where(tf.reduce_all(tf.math.is_finite(rows), axis=1, keepdims=True), rows, 0.0)
        return tf.reshape(_filled(rows, tf.zeros((count * keypoints, 3))), (count, keypoints, 3))


def _filled(values: tf.Tensor, default: tf.Tensor) -> tf.Tensor:
    """Returns the values, or the default if the record has none; raises for any other number of values."""
    values = tf.cond(tf.size(values) > 0, lambda: values, lambda: tf.cast(default, values.dtype))
    return tf.reshape(values, tf.shape(default))


def _image_id(parsed: dict, where: tf.Tensor) -> tf.Tensor:
    """Returns () int64: the source id, or without one the file name, itself if it is a number, else its hash."""
    source_id, filename = parsed[keys.SOURCE_ID], parsed[keys.FILENAME]
    text = tf.where(source_id != "", source_id, filename)
    is_number = tf.strings.regex_full_match(text, NUMBER)
    number = tf.strings.to_number(tf.where(is_number, text, "0"), tf.int64)
    other = tf.where(text != "", tf.strings.to_hash_bucket_fast(text, LARGEST_ID), _damaged_id(where))
    return tf.where(is_number, number, other)


def _damaged_id(where: tf.Tensor) -> tf.Tensor:
    return -1 - tf.strings.to_hash_bucket_fast(where, LARGEST_ID)
