"""Record files as streams of examples, in order or shuffled; with `load_tensors` they need TensorFlow alone."""

import functools
import sys
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from keras_centernet.clock import Clock
from keras_centernet.data.in_graph import FINE, first_that_works, keep_objects, try_to_decode
from keras_centernet.data.passes import Passes, in_order
from keras_centernet.data.records import keys
from keras_centernet.data.records.facts import RecordFacts
from keras_centernet.data.records.parsing import RecordParser
from keras_centernet.data.source import load_encoded, size_wh_of
from keras_centernet.files.paths import AnyPath
from keras_centernet.method.specs import FieldSpec

_SHUFFLE_BUFFER = 1024  # encoded images: about 150 MB of photos like COCO's
_MIXED_FILES = 16
# Files that each worker of a data service reads at a time: few, so that all workers get some.
_MIXED_FILES_OF_A_WORKER = 4


def examples_of(
    files: list[AnyPath],
    facts: RecordFacts,
    parser: RecordParser,
    clock: Clock,
    passes: Passes | None = None,
    limit: int | None = None,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Returns the examples that `Source.examples` promises; `clock` gets the seconds of decoding."""
    count = facts.size if limit is None else min(limit, facts.size)
    one_pass = functools.partial(_records, files, facts, count, limit is None)
    to_example = _to_example_by(parser, facts, load_encoded(clock))
    return (passes or in_order(count)).examples(one_pass, to_example, workers)


def service_examples_of(
    files: list[AnyPath], facts: RecordFacts, parser: RecordParser, workers: int | None = None
) -> tf.data.Dataset:
    """Returns the examples that `Source.service_examples` promises.

    Each file goes to one worker. Any step before that distribution, such as shuffling the list of files, would send all
    files to the worker that asks first. So shuffling comes after it, within each file and differently in every epoch.
    """
    to_example = _to_example_by(parser, facts, load_tensors)

    def read(*file):
        records = _records_of_file(facts, *file)
        return records.batch(_SHUFFLE_BUFFER // _MIXED_FILES_OF_A_WORKER).map(_shuffled).unbatch()

    def seeded(*entry):
        return {**to_example(*entry), "seed": any_seed()}

    records = _files(files, facts).interleave(
        read, cycle_length=_MIXED_FILES_OF_A_WORKER, num_parallel_calls=tf.data.AUTOTUNE
    )
    return records.map(seeded, num_parallel_calls=workers or tf.data.AUTOTUNE)


def _to_example_by(parser: RecordParser, facts: RecordFacts, load: Callable) -> Callable[..., dict]:
    """Returns the function (file, number of the record in it, image id, serialized record) -> example."""

    def to_example(file, number, image_id, record):
        where = tf.strings.join([file, ", record ", tf.strings.as_string(number)])
        example = parser(where, record)
        if facts.image_ids is not None:
            example["image_id"] = image_id
        image, is_loaded = load(example.pop("where"), example.pop("encoded"))
        count = tf.where(is_loaded, tf.shape(example["classes"])[0], 0)
        return _to_pixels({"image": image, **keep_objects(example, tf.range(count), parser.fields)}, parser.fields)

    return to_example


def _records(
    files: list[AnyPath], facts: RecordFacts, count: int, is_whole: bool, seed: tf.Tensor | None
) -> tf.data.Dataset:
    """Returns a data set of `count` (file, number, image id, serialized record).

    With a seed, the order of the files and a buffer of records are shuffled. If not the whole data set is used, files
    keep their order, so that the first records are taken.
    """
    dataset, mixes = _files(files, facts), seed is not None and is_whole
    if mixes:
        dataset = dataset.shuffle(len(files), seed=seed[0], reshuffle_each_iteration=False)
    cycle = _MIXED_FILES if mixes else 1
    records_of_file = functools.partial(_records_of_file, facts)
    dataset = dataset.interleave(records_of_file, cycle_length=cycle, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.take(count).apply(tf.data.experimental.assert_cardinality(count))
    if seed is None:
        return dataset
    return dataset.shuffle(min(count, _SHUFFLE_BUFFER), seed=seed[1], reshuffle_each_iteration=False)


def _files(files: list[AnyPath], facts: RecordFacts) -> tf.data.Dataset:
    """Returns a data set of (file, number of its records, number of records in the files before it)."""
    counts = np.array(facts.counts, np.int64)
    return tf.data.Dataset.from_tensor_slices(([str(file) for file in files], counts, np.cumsum(counts) - counts))


def _records_of_file(facts: RecordFacts, file: tf.Tensor, count: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
    """Returns (file, number from 1, image id, serialized record) of the used ones among a file's `count` records.

    All records pass through here one by one, with their images. Functions are therefore called for each record only if
    some records are not used.
    """
    # Records that a damaged file lost are replaced: b"" is a record without image and objects.
    lost = tf.data.Dataset.from_tensors(b"").repeat()
    # `ignore_errors` would try for ever to open a file that is gone.
    opens = first_that_works(file, _can_be_opened, lambda _: tf.constant(False))
    records = tf.data.TFRecordDataset(tf.boolean_mask([file], [opens])).ignore_errors().concatenate(lost)
    names, numbers = tf.data.Dataset.from_tensors(file).repeat(), tf.data.Dataset.range(1, count + 1)

    def of_file(values):
        return tf.data.Dataset.from_tensor_slices(tf.constant(values)[start : start + count])

    ids = numbers if facts.image_ids is None else of_file(facts.image_ids)  # None: the parser makes the ids
    entries = tf.data.Dataset.zip(names, numbers, ids, records)
    if facts.is_used is None:
        return entries
    marked = tf.data.Dataset.zip(entries, of_file(facts.is_used)).filter(lambda _, is_used: is_used)
    return marked.map(lambda entry, _: entry)


def _shuffled(*columns: tf.Tensor) -> tuple[tf.Tensor, ...]:
    order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(columns[0])), any_seed())
    return tuple(tf.gather(column, order) for column in columns)


def _can_be_opened(file: tf.Tensor) -> tf.Tensor:
    """Returns () True, or raises if not even the first record can be read."""
    # Not `reduce`, which took 9 ms of CPU time per file.
    return tf.strings.length(tf.data.TFRecordDataset(file).take(1).get_single_element()) >= 0


def any_seed() -> tf.Tensor:
    """Returns (2,) int64 that differ in every process and at every call, whatever seed TensorFlow was given."""
    low, high = tf.constant(0, tf.int64), tf.constant(2**31, tf.int64)
    return tf.raw_ops.RandomUniformInt(shape=[2], minval=low, maxval=high, seed=0, seed2=0)


def load_tensors(where: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Does what `load_encoded` does, in TensorFlow; damage is one line on stderr of the process that reads."""

    image, status = try_to_decode(encoded)

    def say():
        line = tf.strings.join([where, ": became black and without objects, damaged"])
        tf.print(line, output_stream=sys.stderr)
        return tf.constant(False)

    return image, tf.cond(status == FINE, lambda: tf.constant(True), say)


def _to_pixels(example: dict, fields: Mapping[str, FieldSpec]) -> dict:
    """Returns the example with boxes and the API's keypoints in pixels, and with areas where none were known."""
    size_wh = tf.cast(size_wh_of(example["image"]), tf.float32)
    boxes_xyxy = example["boxes_xyxy"] * tf.tile(size_wh, [2])
    box_areas = tf.reduce_prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    areas = tf.where(example["areas"] > 0, example["areas"], box_areas)
    keypoints = [name for name, spec in fields.items() if keys.are_keypoints(spec)]
    moved = {name: example[name] * tf.concat([size_wh, [1.0]], axis=0) for name in keypoints}
    return {**example, "boxes_xyxy": boxes_xyxy, "areas": areas, **moved}
