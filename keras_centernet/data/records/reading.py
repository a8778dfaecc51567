"""TFRecord files with the TensorFlow Object Detection API's keys: what `make-tfrecords` writes, and the API's own.

A few large files that are read sequentially instead of one per image: for slow disks, buckets and many machines.
`Source.tensor_examples` is TensorFlow alone, so that a data service's workers can run it.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from keras_centernet.clock import Clock
from keras_centernet.data.fields import REGION_FIELDS, keep_objects, known_fields
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.in_graph import decode_image
from keras_centernet.data.passes import Passes, in_order
from keras_centernet.data.reading.classes import choose_classes
from keras_centernet.data.records import keys
from keras_centernet.data.records.finding import LABEL_MAP, find_records
from keras_centernet.data.records.label_map import LabelMap, read_label_map
from keras_centernet.data.records.parsing import RecordParser, first_that_works
from keras_centernet.data.records.scanning import RecordFacts, facts_from_description, scan_records
from keras_centernet.data.source import Source, load_encoded, size_wh_of
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.method.specs import FieldSpec

_SHUFFLE_BUFFER = 1024  # encoded images: about 150 MB of photos as COCO's
_MIXED_FILES = 16
# Each worker of a data service takes so many files at a time: few, so that all workers get some.
_MIXED_FILES_OF_A_WORKER = 4


def read_tfrecord(request: DataRequest) -> Source:
    """Returns one split of a data set in TFRecord files.

    Records beside a `dataset.json` (of `make-tfrecords`) are known; others are read once, to count them and to
    find the names of their classes and keypoints. EXIF orientation is not applied, as in the API. A record or
    image that is damaged becomes black and without objects, so that every epoch has the announced number of images.

    `data` is a folder, file or pattern, local or gs://; files are chosen by the split's name in theirs, see
    `find_records`. `annotations` is a label map (.pbtxt) of the API; None takes label_map.pbtxt beside the records, or
    the names in them. With `fields` everything that the records know is read, without them only class and box, and
    which of them are hidden regions. `strict` decodes every image before the first epoch.

    Raises:
        UserError: nothing is found, files are missing or cut off, or classes or keypoints have no names.
    """
    data, annotations, strict, fields = request.data, request.annotations, request.strict, request.fields
    files, description = find_records(data, request.split)
    is_described = description is not None and annotations is None
    if is_described:
        facts = facts_from_description(files, description)
    if strict or not is_described:
        known = known_fields()
        needs_keypoints = any(keys.are_keypoints(known[name]) for name in fields if name in known)
        path = files[0].parent / LABEL_MAP if annotations is None else annotations
        labels = None if annotations is None and not path.exists() else read_label_map(path)
        scanned = scan_records(files, labels, strict, needs_keypoints)
        facts = facts if is_described else scanned
    missing = [field for field in fields if field not in facts.fields]
    if missing:
        raise UserError(f"{data}: expected records with {', '.join(missing)}, which they do not have.")
    classes, indices = choose_classes(facts.labels.classes, None, request)
    read = {name: spec for name, spec in facts.fields.items() if fields or name in REGION_FIELDS}
    parser = RecordParser(classes, _renamed(facts.labels, classes, indices), read, is_trusted=is_described)
    return _build_source(request.name, files, facts, parser)


def _renamed(labels: LabelMap, classes: tuple[str, ...], indices: dict[str, int]) -> LabelMap:
    """Returns the label map with the names of the classes that are used; others keep theirs."""
    new = {name: classes[i] if i >= 0 else name for name, i in indices.items()}
    return LabelMap(
        {label: new[name] for label, name in labels.names.items()},
        {text: new[name] for text, name in labels.texts.items()},
    )


def _build_source(name: str, files: list[AnyPath], facts: RecordFacts, parser: RecordParser) -> Source:
    clock, ids = Clock(), facts.category_ids

    def without_empty():
        # An older `dataset.json` does not say: the records are read once.
        known = facts if facts.has_objects is not None else scan_records(files, facts.labels)
        if not known.has_objects.any():
            raise UserError(f"{name}: expected images with objects, got none; remove empty_images=False.")
        kept = dataclasses.replace(facts, is_used=None if known.has_objects.all() else known.has_objects)
        return _build_source(name, files, kept, parser)

    return Source(
        name=name,
        classes=parser.classes,
        size=facts.size,
        examples=functools.partial(_examples, files, facts, parser, lambda: load_encoded(clock)),
        fields=parser.fields,
        task_options=facts.task_options if parser.fields else {},
        without_empty=without_empty,
        category_ids=tuple(ids.get(name) for name in parser.classes) if ids else None,
        clock=clock,
        most_objects=facts.most_objects,
        tensor_examples=functools.partial(_examples, files, facts, parser, lambda: _load_tensors),
        service_examples=functools.partial(_service_examples, files, facts, parser),
    )


def _examples(
    files: list[AnyPath],
    facts: RecordFacts,
    parser: RecordParser,
    build_loader: Callable,
    passes: Passes | None = None,
    limit: int | None = None,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Returns the examples that `Source.examples` and `Source.tensor_examples` promise."""
    count = facts.size if limit is None else min(limit, facts.size)
    one_pass = functools.partial(_records, files, facts, count, limit is None)
    return (passes or in_order(count)).examples(one_pass, _build_to_example(parser, build_loader()), workers)


def _service_examples(
    files: list[AnyPath], facts: RecordFacts, parser: RecordParser, workers: int | None = None
) -> tf.data.Dataset:
    """Returns the examples that `Source.service_examples` promises.

    Each file goes to one worker: whatever came before that choice, such as a shuffled list, would send all files to
    the worker that asks first, so each file is shuffled on its own, differently in every epoch.
    """
    to_example = _build_to_example(parser, _load_tensors)

    def read(*file):
        records = _records_of_file(facts.is_used, *file)
        return records.batch(_SHUFFLE_BUFFER // _MIXED_FILES_OF_A_WORKER).map(_shuffled).unbatch()

    def seeded(*entry):
        return {**to_example(*entry), "seed": any_seed()}

    records = _files(files, facts).interleave(
        read, cycle_length=_MIXED_FILES_OF_A_WORKER, num_parallel_calls=tf.data.AUTOTUNE
    )
    return records.map(seeded, num_parallel_calls=workers or tf.data.AUTOTUNE)


def _build_to_example(parser: RecordParser, load: Callable) -> Callable[[tf.Tensor, tf.Tensor], dict]:
    """Returns the function (file, number of the record in it, serialized record) -> example."""

    def to_example(file, number, record):
        where = tf.strings.join([file, ", record ", tf.strings.as_string(number)])
        example = parser(where, record)
        image, is_loaded = load(example.pop("where"), example.pop("encoded"))
        count = tf.where(is_loaded, tf.shape(example["classes"])[0], 0)
        return _to_pixels({"image": image, **keep_objects(example, tf.range(count), parser.fields)}, parser.fields)

    return to_example


def _records(
    files: list[AnyPath], facts: RecordFacts, count: int, is_whole: bool, seed: tf.Tensor | None
) -> tf.data.Dataset:
    """Returns `count` (file, number, serialized record), of a seed: the order of files and a buffer are shuffled.

    Of less than the whole data set the first records are taken, so files keep their order.
    """
    dataset, mixes = _files(files, facts), seed is not None and is_whole
    if mixes:
        dataset = dataset.shuffle(len(files), seed=seed[0], reshuffle_each_iteration=False)
    cycle = _MIXED_FILES if mixes else 1
    records_of_file = functools.partial(_records_of_file, facts.is_used)
    dataset = dataset.interleave(records_of_file, cycle_length=cycle, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.take(count).apply(tf.data.experimental.assert_cardinality(count))
    if seed is None:
        return dataset
    return dataset.shuffle(min(count, _SHUFFLE_BUFFER), seed=seed[1], reshuffle_each_iteration=False)


def _files(files: list[AnyPath], facts: RecordFacts) -> tf.data.Dataset:
    """Returns (file, number of its records, number of those in files before it)."""
    counts = np.array(facts.counts, np.int64)
    return tf.data.Dataset.from_tensor_slices(([str(file) for file in files], counts, np.cumsum(counts) - counts))


def _records_of_file(
    is_used: np.ndarray | None, file: tf.Tensor, count: tf.Tensor, start: tf.Tensor
) -> tf.data.Dataset:
    """Returns (file, number from 1, serialized record) of those of a file's `count` records that are used.

    All records pass through here one after the other, with their images: so no function is called for each of them.
    """
    # What is lost of a damaged file is replaced: b"" is a record without image and objects.
    lost = tf.data.Dataset.from_tensors(b"").repeat()
    # `ignore_errors` would try for ever to open a file that is gone.
    opens = first_that_works(file, _can_be_opened, lambda _: tf.constant(False))
    records = tf.data.TFRecordDataset(tf.boolean_mask([file], [opens])).ignore_errors().concatenate(lost)
    names, numbers = tf.data.Dataset.from_tensors(file).repeat(), tf.data.Dataset.range(1, count + 1)
    entries = tf.data.Dataset.zip(names, numbers, records)
    if is_used is None:
        return entries
    marks = tf.data.Dataset.from_tensor_slices(tf.constant(is_used)[start : start + count])
    marked = tf.data.Dataset.zip(entries, marks).filter(lambda _, is_used: is_used)
    return marked.map(lambda entry, _: entry)


def _shuffled(*columns: tf.Tensor) -> tuple[tf.Tensor, ...]:
    order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(columns[0])), any_seed())
    return tuple(tf.gather(column, order) for column in columns)


def _can_be_opened(file: tf.Tensor) -> tf.Tensor:
    """Returns () True, or raises where not even the first record can be read."""
    # Not `reduce`, which took 9 ms of a processor for each file.
    return tf.strings.length(tf.data.TFRecordDataset(file).take(1).get_single_element()) >= 0


def any_seed() -> tf.Tensor:
    """(2,) int64 different in every process and at every call, whatever seed TensorFlow has been given."""
    low, high = tf.constant(0, tf.int64), tf.constant(2**31, tf.int64)
    return tf.raw_ops.RandomUniformInt(shape=[2], minval=low, maxval=high, seed=0, seed2=0)


def _load_tensors(where: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What `load_encoded` does, by TensorFlow; damage is one line on the error stream of the process that reads."""

    def decode(encoded):
        return decode_image(encoded), tf.constant(True)

    def stand_in(_):
        line = tf.strings.join([where, ": became black and without objects, damaged"])
        tf.print(line, output_stream=sys.stderr)
        return tf.zeros((32, 32, 3), tf.uint8), tf.constant(False)

    return first_that_works(encoded, decode, stand_in)


def _to_pixels(example: dict, fields: Mapping[str, FieldSpec]) -> dict:
    """Returns the example with boxes and the API's keypoints in pixels, and with areas where none were known."""
    size_wh = tf.cast(size_wh_of(example["image"]), tf.float32)
    boxes_xyxy = example["boxes_xyxy"] * tf.tile(size_wh, [2])
    box_areas = tf.reduce_prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    areas = tf.where(example["areas"] > 0, example["areas"], box_areas)
    keypoints = [name for name, spec in fields.items() if keys.are_keypoints(spec)]
    moved = {name: example[name] * tf.concat([size_wh, [1.0]], axis=0) for name in keypoints}
    return {**example, "boxes_xyxy": boxes_xyxy, "areas": areas, **moved}
