"""One serialized record -> the rows of an example, by TensorFlow alone; damage never raises within an epoch."""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_centernet.data.formats.tfds import is_repeated
from keras_centernet.data.records import keys
from keras_centernet.data.records.label_map import LabelMap

_NUMBER = "-?[0-9]{1,18}"
_LARGEST_ID = 2**62
_VISIBLE = 2.0  # COCO's v of a joint that is marked and says no more


@dataclasses.dataclass(frozen=True)
class RecordParser:
    """Turns records into examples without their picture.

    Attributes:
        classes: names, in the order of the class indices.
        labels: what records call them.
        fields: keys of the example beyond the usual ones.
        joints: number K of joints.
        is_trusted: whether `make-tfrecords` wrote them, and so well: every label is of a class, every column has a
            value per object, no box is empty, outside or repeated. What `TFRecordDataset` hands out of such files is
            what was written, as it compares checksums; then nothing of this is looked at again for every picture.
    """

    classes: tuple[str, ...]
    labels: LabelMap
    fields: tuple[str, ...] = ()
    joints: int = 0
    is_trusted: bool = False

    def __call__(self, place: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the example of a record: see `source.py`, but with fractions of the image instead of pixels.

        "encoded" () is its picture, "place" () says where it comes from; areas that are not known are 0. A
        damaged record has no picture, no objects and a negative id.

        Args:
            place: () file and number of the record, different for all.
            record: () serialized `tf.train.Example`.
        """
        if self.is_trusted:
            return self._parse(place, record)
        return first_that_works(record, lambda record: self._parse(place, record), lambda _: self._nothing(place))

    def _parse(self, place: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
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
        for name in self.fields:
            if name in keys.OBJECT_FIELDS:
                key, dtype, shape = keys.OBJECT_FIELDS[name]
                rows[name] = tf.cast(tf.reshape(parsed[key], (count, *shape)), dtype)
        if keys.JOINTS in self.fields:
            rows[keys.JOINTS] = self._keypoints(parsed, count)
        if not self.is_trusted:
            is_inside = (boxes_xyxy[:, 2:] > tf.maximum(boxes_xyxy[:, :2], 0)) & (boxes_xyxy[:, :2] < 1)
            is_good = tf.reduce_all(is_inside, axis=1) & ~is_repeated(boxes_xyxy, rows["classes"])
            rows = {name: values[is_good & (rows["classes"] >= 0)] for name, values in rows.items()}
        image = {
            name: tf.reshape(_filled(parsed[key], tf.zeros((tf.reduce_prod(shape),), dtype)), shape)
            for name, (key, dtype, shape) in keys.IMAGE_FIELDS.items()
            if name in self.fields
        }
        named = tf.strings.join([place, ", image ", parsed[keys.FILENAME]])
        return {"encoded": parsed[keys.ENCODED], "place": named, "image_id": _image_id(parsed, place), **rows, **image}

    def _nothing(self, place: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what stands for a damaged record."""
        floats, shapes = {"areas": (), "boxes_xyxy": (4,)}, {}
        if keys.JOINTS in self.fields:
            floats[keys.JOINTS] = (self.joints, 3)
        rows = {name: tf.zeros((0, *shape), tf.float32) for name, shape in floats.items()}
        rows |= {"classes": tf.zeros((0,), tf.int32)}
        rows |= {name: tf.zeros((0,), tf.bool) for name in ("is_crowd", "is_difficult")}
        for name in self.fields:
            if name in keys.FIELDS:
                _, dtype, shape = keys.FIELDS[name]
                shapes[name] = tf.zeros(shape if name in keys.IMAGE_FIELDS else (0, *shape), dtype)
        return {
            "encoded": tf.constant(""),
            "place": place,
            "image_id": _damaged_id(place),
            **rows,
            **shapes,
        }

    def _spec(self) -> dict:
        """Returns the parts of a record that are read; all may be missing."""
        texts = (keys.ENCODED, keys.FILENAME, keys.SOURCE_ID)
        lists = dict.fromkeys((keys.LABEL, keys.IS_CROWD, keys.IS_DIFFICULT), tf.int64)
        lists |= dict.fromkeys((*keys.CORNERS, keys.AREA), tf.float32)
        lists |= {} if self.is_trusted else {keys.TEXT: tf.string}
        for name in self.fields:
            if name in keys.FIELDS:
                key, dtype, _ = keys.FIELDS[name]
                lists[key] = tf.float32 if tf.as_dtype(dtype).is_floating else tf.int64
        if keys.JOINTS in self.fields:
            lists |= {keys.JOINT_X: tf.float32, keys.JOINT_Y: tf.float32, keys.JOINT_VISIBILITY: tf.int64}
        spec = {key: tf.io.FixedLenFeature((), tf.string, "") for key in texts}
        return spec | {
            key: tf.io.FixedLenSequenceFeature((), dtype, allow_missing=True) for key, dtype in lists.items()
        }

    def _class_indices(self, parsed: dict, count: tf.Tensor) -> tf.Tensor:
        """(N,) int32, -1 for none of the classes; as in the API a text has more weight than a label."""
        if self.is_trusted:
            return self._look_up(parsed[keys.LABEL], self.labels.names)
        named = tf.maximum(tf.size(parsed[keys.TEXT]), tf.size(parsed[keys.LABEL]))
        tf.debugging.assert_equal(named, count)
        texts = _filled(parsed[keys.TEXT], tf.fill((count,), ""))
        labels = _filled(parsed[keys.LABEL], tf.zeros((count,), tf.int64))
        by_text = self._look_up(texts, self.labels.texts)
        by_label = self._look_up(labels, self.labels.names)
        return tf.where(by_text >= 0, by_text, by_label)

    def _look_up(self, values: tf.Tensor, names: dict) -> tf.Tensor:
        # Not a hash table: it would be a resource, which the workers of a data service do not have.
        known = tf.constant(list(names), values.dtype)
        indices = [self.classes.index(name) if name in self.classes else -1 for name in names.values()]
        is_same = values[:, None] == known[None]
        found = tf.gather(tf.constant(indices, tf.int32), tf.argmax(tf.cast(is_same, tf.int32), axis=1))
        return tf.where(tf.reduce_any(is_same, axis=1), found, -1)

    def _keypoints(self, parsed: dict, count: tf.Tensor) -> tf.Tensor:
        """(N, K, 3) fractions and COCO's v; some tools write NaN for joints that are not marked."""
        x, y = parsed[keys.JOINT_X], parsed[keys.JOINT_Y]
        marks = _filled(tf.cast(parsed[keys.JOINT_VISIBILITY], tf.float32), tf.fill(tf.shape(x), _VISIBLE))
        keypoints = tf.reshape(tf.stack([x, y, marks], axis=1), (-1, 3))
        is_known = tf.reduce_all(tf.math.is_finite(keypoints), axis=1, keepdims=True)
        keypoints = tf.where(is_known, keypoints, 0.0)
        missing = tf.zeros((count * self.joints, 3))
        return tf.reshape(_filled(keypoints, missing), (count, self.joints, 3))


def first_that_works(value: tf.Tensor, function: Callable, otherwise: Callable):
    """Returns function(value) or, where that raises, otherwise(value): `try` and `except` inside a graph.

    Both functions give tensors of the same structure and compatible shapes.
    """
    one = tf.data.Dataset.from_tensors(value)
    return one.map(function).ignore_errors().concatenate(one.map(otherwise)).take(1).get_single_element()


def _filled(values: tf.Tensor, default: tf.Tensor) -> tf.Tensor:
    """Returns the values, or the default where the record has none; raises for another number of values."""
    values = tf.cond(tf.size(values) > 0, lambda: values, lambda: tf.cast(default, values.dtype))
    return tf.reshape(values, tf.shape(default))


def _image_id(parsed: dict, place: tf.Tensor) -> tf.Tensor:
    """() int64: the source's id where that is a number, else a number made of its id, file name or picture."""
    texts: Sequence[tf.Tensor] = (parsed[keys.SOURCE_ID], parsed[keys.FILENAME], parsed[keys.ENCODED])
    text = tf.where(texts[0] != "", texts[0], tf.where(texts[1] != "", texts[1], texts[2]))
    is_number = tf.strings.regex_full_match(text, _NUMBER)
    number = tf.strings.to_number(tf.where(is_number, text, "0"), tf.int64)
    other = tf.where(text != "", tf.strings.to_hash_bucket_fast(text, _LARGEST_ID), _damaged_id(place))
    return tf.where(is_number, number, other)


def _damaged_id(place: tf.Tensor) -> tf.Tensor:
    return -1 - tf.strings.to_hash_bucket_fast(place, _LARGEST_ID)
