"""Any data set -> sharded records with the TensorFlow Object Detection API's keys, `dataset.json` and a label map."""

import collections
import concurrent.futures
import hashlib
import itertools
import json
import os
import re
import warnings
from collections.abc import Iterator

import cv2
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_centernet.data.counting import warn_counted
from keras_centernet.data.images import decode_image
from keras_centernet.data.records import keys
from keras_centernet.data.records.finding import (
    DESCRIPTION,
    DESCRIPTION_FORMAT,
    DESCRIPTION_VERSION,
    LABEL_MAP,
    format_mask,
    read_description,
)
from keras_centernet.data.records.label_map import format_label_map, labels_of
from keras_centernet.data.source import BECAME_BLACK, Source
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import temporary_folder, write_whole
from keras_centernet.files.paths import AnyPath, open_bytes, size_bytes, threads_for, to_path

_JPEG_START, _PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_QUALITY = 95


def write_tfrecords(
    source: Source,
    split: str,
    output: str | os.PathLike,
    shards: int,
    *,
    overwrite: bool = False,
    strict: bool = False,
    workers: int | None = None,
) -> dict:
    """Writes a split into `output` and returns what `dataset.json` says of it.

    The files of a picture are kept byte by byte where they are JPEG or PNG and upright; pictures that EXIF turns are
    encoded anew, upright, as boxes refer to them so. Other pictures become PNG. The shards are written beside and
    moved into place when all are there.

    Args:
        source: what to write; its images in their order, about equally many in each shard.
        split: name of the split; other splits of the same folder are kept.
        output: folder, local or gs://, made if missing.
        shards: number of files.
        overwrite: whether to replace a split that is there already.
        strict: stop at the first picture that cannot be decoded instead of leaving it out.
        workers: pictures that are read at the same time.

    Returns:
        {"images", "objects", "most_objects" (of one image), "shards": {file name: {"images", "bytes",
        "with_objects" (see `tfrecord_files.format_mask`)}}}.

    Raises:
        UserError: the output is taken or does not fit the splits that are there, or something cannot be written.
    """
    folder = to_path(output)
    _check_request(source, split, shards)
    description = _description(source, split, folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as beside, warnings.catch_warnings():
            # Here such images do not become black, they are left out, which is said at the end.
            warnings.filterwarnings("ignore", f"[0-9]+ {re.escape(BECAME_BLACK)}")
            labels = labels_of(source.classes, description["category_ids"])
            facts = _write_shards(source, labels, split, beside, shards, strict, workers)
            for name in facts["shards"]:
                (beside / name).replace(folder / name)
    except (OSError, tf.errors.OpError) as error:
        line = error.strerror if isinstance(error, OSError) else first_line(error)
        raise UserError(f"{folder}: could not be written ({line}); free some space or name another place.") from error
    stale = set(description["splits"].get(split, {}).get("shards", ())) - set(facts["shards"])
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    description["splits"][split] = facts
    label_map = format_label_map(source.classes, description["category_ids"])
    write_whole(folder / LABEL_MAP, lambda path: path.write_text(label_map, encoding="utf-8"))
    write_whole(folder / DESCRIPTION, lambda path: path.write_text(json.dumps(description, indent=1) + "\n"))
    return facts


def encode_record(
    example: dict, encoded: bytes, format: str, name: str, classes: tuple, labels: tuple, joints: tuple = ()
) -> bytes:
    """Returns the serialized `tf.train.Example` of one example.

    Args:
        example: as arrays, see `source.py`; of its further fields those that `record_keys` knows are written.
        encoded: the picture's file.
        format: "jpeg" or "png".
        name: of the picture's file.
        classes: names.
        labels: their numbers in the label map.
        joints: K names, where the example has "keypoints_xyv".
    """
    height, width = example["image"].shape[:2]
    fractions = np.float64(example["boxes_xyxy"]) / [width, height, width, height]
    values = {
        keys.ENCODED: [encoded],
        keys.FORMAT: [format.encode()],
        keys.HEIGHT: [height],
        keys.WIDTH: [width],
        keys.FILENAME: [name.encode()],
        keys.SOURCE_ID: [str(example["image_id"]).encode()],
        keys.SHA256: [hashlib.sha256(encoded).hexdigest().encode()],
        **{key: np.float32(column) for key, column in zip(keys.CORNERS, fractions.T, strict=True)},
        keys.LABEL: np.array(labels, np.int64)[example["classes"]],
        keys.TEXT: [classes[index].encode() for index in example["classes"]],
        keys.IS_CROWD: np.int64(example["is_crowd"]),
        keys.IS_DIFFICULT: np.int64(example["is_difficult"]),
        keys.AREA: example["areas"],
    }
    values |= {key: example[field].ravel() for field, (key, *_) in keys.FIELDS.items() if field in example}
    if keys.JOINTS in example:
        x, y, marks = example[keys.JOINTS].reshape(-1, 3).T
        values |= {
            keys.JOINT_X: np.float32(np.float64(x) / width),
            keys.JOINT_Y: np.float32(np.float64(y) / height),
            keys.JOINT_VISIBILITY: np.int64(marks),
            keys.JOINT_TEXT: [joint.encode() for joint in joints] * len(example[keys.JOINTS]),
            keys.JOINT_COUNT: (example[keys.JOINTS][..., 2] > 0).sum(axis=1),
        }
    features = {key: _feature(column) for key, column in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _feature(values) -> tf.train.Feature:
    if isinstance(values, list) and values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if isinstance(values, list) and not values:  # texts of no object
        return tf.train.Feature(bytes_list=tf.train.BytesList())
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _check_request(source: Source, split: str, shards: int) -> None:
    if not re.fullmatch(r"\w[\w.]*", split):
        raise UserError(f"split: expected a name of letters and digits, which files are named after, got {split!r}.")
    if not 1 <= shards <= min(source.size, 99999):
        raise UserError(f"shards: expected a number from 1 to the {source.size} images of {source.name}, got {shards}.")


def _description(source: Source, split: str, folder: AnyPath, overwrite: bool) -> dict:
    """Returns the content of `dataset.json` for this source, with the splits that stay."""
    description = {
        "format": DESCRIPTION_FORMAT,
        "version": DESCRIPTION_VERSION,
        "classes": list(source.classes),
        "fields": [field for field in source.fields if field in keys.FIELDS or field == keys.JOINTS],
        "task_options": source.task_options,
        "category_ids": source.category_ids and list(source.category_ids),
        "splits": {},
    }
    before = read_description(str(folder)) if folder.is_dir() else None
    if before is None:
        taken = sorted(folder.glob(f"{split}-*-of-*.tfrecord")) if folder.is_dir() else []
        if taken and not overwrite:
            raise UserError(f"output: expected no files of split {split!r}, got {taken[0]}; pass --overwrite.")
        return description
    if split in before["splits"] and not overwrite:
        raise UserError(f"output: expected a folder without split {split!r}, got {folder}; pass --overwrite.")
    others = [name for name in before["splits"] if name != split]
    for key in ("classes", "fields", "task_options"):
        if others and before[key] != description[key]:
            raise UserError(
                f"output: expected {key} as of split {others[0]!r} in {folder}, {before[key]}, got {description[key]}; "
                "name another folder."
            )
    ids = before.get("category_ids") if others else description["category_ids"]
    _check_ids(ids, description["category_ids"], folder)
    return description | {"splits": before["splits"], "category_ids": ids}


def _check_ids(ids: list | None, new_ids: list | None, folder: AnyPath) -> None:
    """Raises where a split's own numbers of the classes are others than those of the folder, which has one label map.

    A folder without numbers stays so; a split without takes the folder's.
    """
    if ids and new_ids and any(new not in (None, old) for old, new in zip(ids, new_ids, strict=True)):
        raise UserError(f"output: expected category ids as in {folder}, {ids}, got {new_ids}; name another folder.")


def _write_shards(
    source: Source,
    labels: tuple[int, ...],
    split: str,
    folder: AnyPath,
    shards: int,
    strict: bool,
    workers: int | None,
) -> dict:
    """Returns the split's part of `dataset.json` after writing its shards into a folder."""
    damaged = []
    records = _records(source, labels, strict, workers, damaged)
    sizes = [source.size * (i + 1) // shards - source.size * i // shards for i in range(shards)]
    facts = {"images": 0, "objects": 0, "most_objects": 0, "shards": {}}
    with tqdm(total=source.size, desc=f"writing {split}", unit="image", disable=None) as progress:
        for i, size in enumerate(sizes):
            path = folder / f"{split}-{i:05d}-of-{shards:05d}.tfrecord"
            with_objects = []
            with tf.io.TFRecordWriter(str(path)) as writer:
                for record, objects in itertools.islice(records, size):
                    progress.update()
                    if record is None:
                        continue
                    writer.write(record)
                    with_objects.append(objects > 0)
                    facts["objects"] += objects
                    facts["most_objects"] = max(facts["most_objects"], objects)
            facts["images"] += len(with_objects)
            facts["shards"][path.name] = {
                "images": len(with_objects),
                "bytes": size_bytes(path),
                "with_objects": format_mask(with_objects),
            }
    warn_counted(damaged, f"of {source.size} images left out, file damaged")
    if not facts["images"]:
        raise UserError(f"{source.name}: expected pictures that can be decoded, got none; first: {damaged[0]}")
    return facts


def _records(
    source: Source, labels: tuple[int, ...], strict: bool, workers: int | None, damaged: list[str]
) -> Iterator[tuple[bytes | None, int]]:
    """Yields (record, number of objects) of every image in order; None for one whose file is damaged."""
    joints = tuple(source.task_options.get("skeleton", {}).get("names", ()))

    def encode(example: dict, name: str) -> tuple[bytes | None, int]:
        try:
            encoded, format = _encode_image(example["image"], name, _read(name) if source.image_names else b"")
        except UserError as error:
            if strict:
                raise
            damaged.append(str(error))
            return None, 0
        record = encode_record(example, encoded, format, os.path.basename(name), source.classes, labels, joints)
        return record, len(example["classes"])

    threads = workers or threads_for(source.image_names or (), os.cpu_count())
    names = source.image_names or (f"{source.name} {i}" for i in range(source.size))
    examples = source.examples(workers=workers).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        under_way = collections.deque()
        for example, name in zip(examples, names, strict=True):
            under_way.append(pool.submit(encode, example, name))
            if len(under_way) > 2 * threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _read(name: str) -> bytes:
    """Returns the content of a picture's file, nothing where pictures have names but no files."""
    try:
        with open_bytes(name) as file:
            return file.read()
    except OSError:
        return b""


def _encode_image(image: np.ndarray, name: str, data: bytes) -> tuple[bytes, str]:
    """Returns (file content, "jpeg" or "png") of an upright picture; the file's own bytes where they show it so.

    Raises:
        UserError: the file is damaged.
    """
    format = "jpeg" if data.startswith(_JPEG_START) else "png"
    if data:
        stored = decode_image(data, name, upright=False)
        if data.startswith((_JPEG_START, _PNG_START)) and np.array_equal(stored, image):
            return data, format
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if format == "jpeg" else []
    return cv2.imencode(f".{format}", image[..., ::-1], options)[1].tobytes(), format
