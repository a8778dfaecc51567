"""TensorFlow Datasets by name ("coco/2017", "voc/2007"); the package itself is an optional extra."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from keras_centernet.clock import Clock
from keras_centernet.data.annotations import has_extent
from keras_centernet.data.counting import WarningCounter
from keras_centernet.data.fields import REGION_FIELDS, known_fields
from keras_centernet.data.formats.kitti.kinds import HIDES_IN
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.in_graph import is_repeated
from keras_centernet.data.names import split_names
from keras_centernet.data.passes import in_order
from keras_centernet.data.reading.classes import choose_classes
from keras_centernet.data.source import Source, load_encoded, size_wh_of
from keras_centernet.errors import UserError, first_line
from keras_centernet.packages import import_package, is_installed
from keras_centernet.tasks.classes import KITTI_CLASSES

PACKAGE = "tensorflow_datasets"
KITTI_LABEL = "type"
LABELS = ("label", KITTI_LABEL)  # columns that can hold the class
TFDS_FIELDS = {"locations_xyz": "location", "dimensions_hwl": "dimensions", "alphas": "alpha"}
_NAME = re.compile(r"[a-z][a-z0-9_]*(/[\w.-]+)*(:[\w.*]+)?")
# Encoded images. More are not needed: files are shuffled, too, and records were shuffled when they were written.
_SHUFFLE_BUFFER = 1024


def is_tfds_name(name: str) -> bool:
    """Returns whether TensorFlow Datasets is installed and knows a data set of that name."""
    if not _NAME.fullmatch(name) or not is_installed(PACKAGE):
        return False
    return re.split("[/:]", name)[0] in _import_tfds().list_builders(with_community_datasets=False)


def read_tfds(request: DataRequest) -> Source:
    """Returns one split of a detection data set of TensorFlow Datasets, downloading it if needed.

    Empty and repeated boxes are dropped with counted warnings while the data is read. `strict` has no effect:
    TensorFlow Datasets checked the images when it prepared them.

    Raises:
        UserError: the extra is not installed, the name is unknown, or the data cannot be fetched or has no boxes.
    """
    data, fields = str(request.data), request.fields
    tfds = _import_tfds()
    builder = _build(tfds, data)
    columns, label = _find_columns(data, builder.info.features, fields)
    found = tuple(columns[label].names)
    names = [HIDES_IN.get(name, name) if label == KITTI_LABEL else name for name in found]
    declared = KITTI_CLASSES if label == KITTI_LABEL else found
    classes, indices = choose_classes(declared, None, request)
    split = _find_split(builder, request.split)
    to_example = functools.partial(
        _to_example,
        label=label,
        class_indices=tf.constant([indices.get(name, -1) for name in names], tf.int32),
        hides=tf.constant([name != original for name, original in zip(names, found, strict=True)]),
        fields={key: TFDS_FIELDS[key] for key in fields},
        bad_boxes=WarningCounter(f"image(s) of {data} with empty or repeated boxes, which are skipped"),
        name=data,
    )
    clock = Clock()

    entries = functools.partial(_entries, tfds, builder, split)
    size = int(entries().cardinality())
    size = size if size >= 0 else builder.info.splits[split].num_examples
    if size == 0:
        raise UserError(f"{data}: expected images in split {split!r}, got an empty split; choose another.")

    def examples(passes=None, limit=None, workers=None):
        passes = passes or in_order(size if limit is None else min(limit, size))
        to_loaded = functools.partial(to_example, load=load_encoded(clock))
        return passes.examples(lambda seed: entries(seed, limit), to_loaded, workers)

    return Source(
        name=f"{data} ({split})",
        classes=classes,
        size=size,
        examples=examples,
        fields={name: known_fields()[name] for name in (*fields, *(REGION_FIELDS if label == KITTI_LABEL else ()))},
        clock=clock,
    )


def _import_tfds():
    return import_package("format tfds", PACKAGE)


def _build(tfds, name: str):
    try:
        builder = tfds.builder(name)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        found = f"{name!r} ({first_line(error)})"
        raise UserError(f"data: expected the name of a TensorFlow Datasets data set, got {found}.") from None
    try:
        builder.download_and_prepare()
    except Exception as error:  # whatever the network, the disk or the data set's own script raises
        found = f"{type(error).__name__}: {first_line(error)}"
        advice = "prepare it where there is a network and set TFDS_DATA_DIR."
        line = f"{name}: expected to find or fetch it with TensorFlow Datasets, got {found}; {advice}"
        raise UserError(line) from None
    return builder


def _find_columns(data: str, features: Mapping, fields: Sequence[str]) -> tuple[dict, str]:
    """Returns (the columns of a data set's objects, the name of the column that holds the class)."""
    columns = getattr(dict(features.items()).get("objects"), "feature", {})
    label = next((key for key in LABELS if key in columns), None)
    if "image" not in features or "bbox" not in columns or label is None:
        raise UserError(f"{data}: expected a data set with 'image' and 'objects' (bbox, label), got {list(features)}.")
    lacking = [key for key in fields if TFDS_FIELDS[key] not in columns]
    if lacking:
        raise UserError(f"{data}: expected objects with {', '.join(lacking)}, got only {', '.join(columns)}.")
    return columns, label


def _find_split(builder, split: str) -> str:
    known = list(builder.info.splits)
    name = next((name for name in split_names(split) if name in known), None if known else split)
    if name is None:
        raise UserError(f"{builder.info.name}: expected a split of {', '.join(known)}, got {split!r}.")
    return name


def _entries(tfds, builder, split: str, seed: tf.Tensor | None = None, limit: int | None = None) -> tf.data.Dataset:
    """Returns (index, entry) of a split's first `limit` entries, shuffled by a seed (2,), or in order for None."""
    file_seed, seed = (None, None) if seed is None else tf.unstack(seed)
    config = tfds.ReadConfig(shuffle_seed=file_seed, shuffle_reshuffle_each_iteration=False, try_autocache=False)
    # Images are decoded after all shuffling and sharding, like those of records.
    decoders = {"image": tfds.decode.SkipDecoding()}
    shuffles_files = seed is not None and limit is None
    dataset = builder.as_dataset(split=split, shuffle_files=shuffles_files, decoders=decoders, read_config=config)
    dataset = (dataset if limit is None else dataset.take(limit)).enumerate()
    return dataset if seed is None else dataset.shuffle(_SHUFFLE_BUFFER, seed=seed, reshuffle_each_iteration=False)


def _to_example(
    index: tf.Tensor,
    entry: dict,
    load: Callable,
    label: str,
    class_indices: tf.Tensor,
    hides: tf.Tensor,
    fields: dict[str, str],
    bad_boxes: WarningCounter,
    name: str,
) -> dict:
    """Returns the example of one entry of TensorFlow Datasets, whose boxes are (y1, x1, y2, x2) fractions."""
    image_id = tf.cast(entry["image/id"], tf.int64) if "image/id" in entry else index
    where = tf.strings.join([f"{name}, image ", tf.strings.as_string(image_id)])
    # All fields have the same length, except in the data that tfds.testing.mock_data makes up.
    count = tf.reduce_min([tf.shape(field)[0] for field in entry["objects"].values()])
    objects = {key: field[:count] for key, field in entry["objects"].items()}
    image, is_loaded = load(where, entry["image"])
    size_wh = tf.cast(size_wh_of(image), tf.float32)
    y1, x1, y2, x2 = tf.unstack(objects["bbox"], axis=1)
    if label == KITTI_LABEL:  # TensorFlow Datasets measures KITTI's y from the bottom
        y1, y2 = 1 - y2, 1 - y1
    boxes_xyxy = tf.stack([x1, y1, x2, y2], axis=1) * tf.tile(size_wh, [2])
    classes = tf.gather(class_indices, objects[label])
    areas = tf.reduce_prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    none = tf.zeros_like(classes, tf.bool)
    is_good = has_extent(boxes_xyxy) & ~is_repeated(boxes_xyxy, classes)
    bad_boxes.add_if(~tf.reduce_all(is_good), where)
    rows = {
        "boxes_xyxy": boxes_xyxy,
        "classes": classes,
        "is_crowd": objects.get("is_crowd", none),
        "is_difficult": objects.get("is_difficult", none),
        "areas": tf.cast(objects["area"], tf.float32) if "area" in objects else areas,
        **{key: objects[column] for key, column in fields.items()},
    }
    if label == KITTI_LABEL:
        rows["is_hidden"] = tf.gather(hides, objects[label])
    kept = {key: values[is_good & (classes >= 0) & is_loaded] for key, values in rows.items()}
    return {"image": image, "image_id": image_id, **kept}
