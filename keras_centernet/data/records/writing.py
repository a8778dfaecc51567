"""Any data set -> sharded records with the TensorFlow Object Detection API's keys, `dataset.json` and a label map."""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
import re
import warnings
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_centernet.data.counting import warn_counted
from keras_centernet.data.fields import OBJECT_KEYS, REGION_FIELDS
from keras_centernet.data.records import description as described
from keras_centernet.data.records import keys
from keras_centernet.data.records.encoding import encode_record
from keras_centernet.data.records.label_map import LABEL_MAP, format_label_map, labels_of
from keras_centernet.data.source import BECAME_BLACK, Source
from keras_centernet.errors import UserError
from keras_centernet.files.atomic import temporary_folder, writing
from keras_centernet.files.lock import one_writer
from keras_centernet.files.outputs import check_outputs, open_folder
from keras_centernet.files.paths import AnyPath, open_bytes, size_bytes, threads_for, to_path
from keras_centernet.limits import COUNT

MERGE_S = 60  # seconds to wait, at the end, while another process updates `dataset.json`
(_HIDDEN,) = REGION_FIELDS


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
    """Writes a split into `output`; returns its entry of `dataset.json`.

    JPEG and PNG files of upright images are copied byte by byte. Images that EXIF turns are encoded again, upright, as
    their boxes refer to the upright image. Other formats become PNG. Shards are written into a temporary folder and
    moved when all are complete.

    Args:
        source: what to write; images keep their order, and shards hold about equally many.
        split: name of the split; other splits of the same folder are kept.
        output: folder, local or gs://, made if missing.
        shards: number of files.
        overwrite: whether to replace a split that exists already.
        strict: stop at the first image that cannot be decoded instead of skipping it.
        workers: number of images that are read at the same time; None: chosen by CPUs and files.

    Returns:
        The split's entry of `dataset.json`, see `description`.

    Raises:
        UserError: the output exists already, does not fit the folder's other splits, or cannot be written.
    """
    folder = to_path(output)
    _check_request(source, split, shards)
    _check_fields(source)
    open_folder(folder, "output")
    description = _description(source, split, folder, shards, overwrite)
    with writing(folder), temporary_folder(folder) as beside, warnings.catch_warnings():
        # Here such images do not become black but are left out, and a warning at the end counts them.
        warnings.filterwarnings("ignore", f"[0-9]+ {re.escape(BECAME_BLACK)}")
        labels = labels_of(source.classes, description["category_ids"])
        damaged = []
        records = _records(source, labels, strict, workers, damaged)
        facts = _write_shards(source, split, beside, shards, records, damaged)
        # Other processes may write other splits meanwhile; the description covers them all.
        with one_writer(folder / described.DESCRIPTION, wait_s=MERGE_S):
            now = _description(source, split, folder, shards, overwrite)
            if labels_of(source.classes, now["category_ids"]) != labels:
                expected = "category ids as at the beginning"
                raise UserError(f"output: expected {expected}, got others of a split written meanwhile; try again.")
            _put(beside, folder, split, facts, now, format_label_map(source.classes, now["category_ids"]))
    return facts


def _put(beside: AnyPath, folder: AnyPath, split: str, facts: dict, description: dict, label_map: str) -> None:
    """Moves the shards of a split into the folder and describes them; if killed, the split is missing, not partial."""
    others = {name: of_split for name, of_split in description["splits"].items() if name != split}
    without, after = beside / "without", beside / described.DESCRIPTION
    # Everything that takes disk space comes first: the rest is renaming, which works on a full disk.
    for path, splits in ((without, others), (after, others | {split: facts})):
        text = described.DATASET_FILE.to_text(description | {"splits": splits})
        path.write_text(text, encoding="utf-8")
    (beside / LABEL_MAP).write_text(label_map, encoding="utf-8")
    if split in description["splits"]:
        without.replace(folder / described.DESCRIPTION)
        for name in description["splits"][split]["shards"]:
            (folder / name).unlink(missing_ok=True)
    for name in (*facts["shards"], LABEL_MAP, described.DESCRIPTION):
        (beside / name).replace(folder / name)


def _check_request(source: Source, split: str, shards: int) -> None:
    if not re.fullmatch(r"\w[\w.]*", split):
        raise UserError(f"split: expected a name of letters and digits, which files are named after, got {split!r}.")
    if not 1 <= COUNT.check("shards", shards) <= min(source.size, 99999):
        raise UserError(f"shards: expected a number from 1 to the {source.size} images of {source.name}, got {shards}.")


def _check_fields(source: Source) -> None:
    """Raises a UserError if examples have values that records would lose."""
    found = set(source.examples(limit=1).element_spec) - {"image", "image_id", *OBJECT_KEYS}
    if found != set(source.fields):
        expected = f"the fields {sorted(source.fields)} as `Source.fields` says"
        raise UserError(f"{source.name}: expected examples with {expected}, got {sorted(found)}.")
    taken = set(keys.OF_EVERY_RECORD)
    for name, spec in source.fields.items():
        keys.stored_type(name, spec)
        if None in spec.shape:
            raise UserError(f"field {name}: expected values of one shape in all images, got {spec.shape}.")
        if keys.are_keypoints(spec) and "skeleton" not in source.task_options:
            raise UserError(f"field {name}: expected a skeleton in the source's task_options, got none.")
        key = keys.key_of(name, spec)
        if key in taken or key.startswith(f"{keys.KEYPOINTS}/"):
            raise UserError(f"field {name}: expected a key of its own in records, got {key}; rename it.")
        taken.add(key)


def _description(source: Source, split: str, folder: AnyPath, shards: int, overwrite: bool) -> dict:
    """Returns the content of `dataset.json` for this source, with the splits that the folder has already."""
    description = {
        "classes": list(source.classes),
        "fields": {name: dataclasses.asdict(spec) for name, spec in source.fields.items()},
        "task_options": source.task_options,
        "category_ids": source.category_ids and list(source.category_ids),
        "splits": {},
    }
    before = described.read_description(str(folder))
    names = [_shard_name(split, i, shards) for i in range(shards)]
    if before is None:
        names += [described.DESCRIPTION, LABEL_MAP, *(path.name for path in folder.glob(f"{split}-*-of-*.tfrecord"))]
    listed = before["splits"].get(split, {}).get("shards", ()) if before else ()
    check_outputs([folder / name for name in dict.fromkeys(names) if name not in listed], overwrite)
    if before is None:
        return description
    if split in before["splits"] and not overwrite:
        raise UserError(f"output: expected a folder without split {split!r}, got {folder}; pass --overwrite.")
    others = [name for name in before["splits"] if name != split]
    for key in ("classes", "fields", "task_options"):
        old, new = (described.fields_of(one) if key == "fields" else one[key] for one in (before, description))
        if others and old != new:
            expected = f"{key} as of split {others[0]!r} in {folder}, {old}"
            raise UserError(f"output: expected {expected}, got {new}; name another folder.")
    # The folder has one label map: if it has no ids, it gets none; a split without ids takes the folder's.
    new_ids = description["category_ids"]
    ids = before.get("category_ids") if others else new_ids
    if ids and new_ids and any(new not in (None, old) for old, new in zip(ids, new_ids, strict=True)):
        raise UserError(f"output: expected category ids as in {folder}, {ids}, got {new_ids}; name another folder.")
    return description | {"splits": before["splits"], "category_ids": ids}


def _write_shards(source: Source, split: str, folder: AnyPath, shards: int, records: Iterator, damaged: list) -> dict:
    """Returns the split's entry of `dataset.json` after writing its records into the shards of a folder."""
    sizes = [source.size * (i + 1) // shards - source.size * i // shards for i in range(shards)]
    of_shards, classes, visible, own_ids = {}, [], [], []
    with tqdm(total=source.size, desc=f"writing {split}", unit="image", disable=None) as progress:
        for i, size in enumerate(sizes):
            path = folder / _shard_name(split, i, shards)
            start = len(classes)
            with tf.io.TFRecordWriter(str(path)) as writer:
                for record, example in itertools.islice(records, size):
                    progress.update()
                    if record is not None:
                        writer.write(record)
                        classes.append(example["classes"])
                        visible.append(example["classes"][~example[_HIDDEN]] if _HIDDEN in example else classes[-1])
                        own_ids.append((source.own_image_ids or {}).get(int(example["image_id"])))
            with_objects = [len(of_image) > 0 for of_image in classes[start:]]
            of_shards[path.name] = {
                "images": len(with_objects),
                "bytes": size_bytes(path),
                "with_objects": described.format_mask(with_objects),
            }
    warn_counted(damaged, f"of {source.size} images left out, file damaged")
    if not classes:
        raise UserError(f"{source.name}: expected images that can be decoded, got none; first: {damaged[0]}")
    return {
        "images": len(classes),
        "objects": sum(map(len, classes)),
        "most_objects": max(map(len, classes)),
        "class_objects": np.bincount(np.concatenate(visible), minlength=len(source.classes)).tolist(),
        **({"own_image_ids": own_ids} if any(own is not None for own in own_ids) else {}),
        "shards": of_shards,
    }


def _shard_name(split: str, index: int, shards: int) -> str:
    return f"{split}-{index:05d}-of-{shards:05d}.tfrecord"


def _records(
    source: Source, labels: tuple[int, ...], strict: bool, workers: int | None, damaged: list[str]
) -> Iterator[tuple[bytes | None, dict]]:
    """Yields (record, {classes, image_id, is_hidden}) of every image in order; record None: its file is damaged."""

    def encode(example: dict, name: str) -> tuple[bytes | None, dict]:
        kept = {key: example[key] for key in ("classes", "image_id", _HIDDEN) if key in example}
        try:
            return encode_record(source, labels, example, name, _read(name) if source.image_names else b""), kept
        except UserError as error:
            if strict:
                raise
            damaged.append(str(error))
            return None, kept

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
    """Returns the content of an image's file; b"" if the name is not that of a file."""
    try:
        with open_bytes(name) as file:
            return file.read()
    except OSError:
        return b""
