"""Which files hold the records of a split, and `dataset.json`, which says what is in them.

Names as the TensorFlow Object Detection API and this package give them: `coco_train.record-00000-of-00100`,
`train-00000-of-00004.tfrecord`, `val.record`. All reading goes through `tf.io.gfile`: gs:// works as folders do.
"""

import json
import os
import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_centernet.data.splits import split_names
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import list_names, to_path

DESCRIPTION, LABEL_MAP = "dataset.json", "label_map.pbtxt"
DESCRIPTION_FORMAT, DESCRIPTION_VERSION = "keras_centernet records", 1
_RECORD_NAME = re.compile(r".*\.(tfrecords?|record)(-\d{5}-of-\d{5})?|[^.]*-\d{5}-of-\d{5}")
_SHARD_NAME = re.compile(r"(.*-)(\d{5})-of-(\d{5})(.*)")
_SPLIT_WORDS = ("train", "trainval", "val", "valid", "validation", "minival", "test", "testdev")


def is_record_data(data: str) -> bool:
    """Whether a name looks like records: a pattern, a record file, or a folder of such."""
    if "*" in data:
        return True
    path = to_path(data)
    if path.is_dir():
        return any(_RECORD_NAME.fullmatch(name) for name in list_names(path))
    if path.is_file():
        return _RECORD_NAME.fullmatch(path.name) is not None
    return any(sign in data for sign in "?[")


def find_records(data: str, split: str) -> tuple[list[str], dict | None]:
    """Returns the files of a split in order and the content of `dataset.json` beside them, None without one.

    Args:
        data: folder, file, or pattern such as "gs://bucket/coco_train.record-*".
        split: its name. Without `dataset.json` the files whose name holds it as a word; files none of which is
            named after any split are the split that was asked for.

    Raises:
        UserError: nothing is found, files are missing, or `dataset.json` is damaged.
    """
    # Workers of a data service may stand in other folders.
    data = data if "://" in data else os.path.abspath(data)
    try:
        is_folder = tf.io.gfile.isdir(data)
        files = [_join(data, name) for name in tf.io.gfile.listdir(data)] if is_folder else tf.io.gfile.glob(data)
    except tf.errors.OpError as error:
        raise UserError(f"data: expected a folder or files of records, got {data!r}: {first_line(error)}.") from None
    files = sorted(file for file in files if _RECORD_NAME.fullmatch(_base(file)))
    if not files:
        raise UserError(
            f"data: expected record files such as train-00000-of-00004.tfrecord, got {data!r}, which has none."
        )
    description = read_description(data if is_folder else os.path.dirname(data))
    if description is not None:
        return _described(files, split, description, data), description
    chosen = _of_split(files, split, data)
    if is_folder:
        _check_complete(chosen)
    return chosen, None


def read_description(folder: str) -> dict | None:
    """Returns the content of a folder's `dataset.json`; None where there is none of this package.

    Raises:
        UserError: it is of a later version, or damaged.
    """
    path = _join(folder, DESCRIPTION)
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path) as file:
            content = json.load(file)
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f"{path}: expected a JSON file, it cannot be read: {first_line(error)}.") from None
    if not isinstance(content, dict) or content.get("format") != DESCRIPTION_FORMAT:
        return None
    if content.get("version") != DESCRIPTION_VERSION:
        raise UserError(f"{path}: expected version {DESCRIPTION_VERSION}, got {content.get('version')!r}.")
    lacking = [key for key in ("classes", "fields", "task_options", "splits") if key not in content]
    if lacking:
        raise UserError(f"{path}: expected {', '.join(lacking)} in it, got none; make the records anew.")
    return content


def shards_of(description: dict) -> dict[str, dict]:
    """Returns {file name: {"images", "bytes", "with_objects"}} of all splits of a `dataset.json`."""
    return {name: facts for split in description["splits"].values() for name, facts in split["shards"].items()}


def format_mask(mask: Sequence[bool]) -> str:
    """Returns flags as hexadecimal digits, the first one the highest bit: a hundred thousand images are 25 KB.

    Example:
        >>> format_mask([True, False, False, True, True]), parse_mask("98", 5).tolist()
        ('98', [True, False, False, True, True])
    """
    return np.packbits(np.array(mask, bool)).tobytes().hex()


def parse_mask(text: str, count: int) -> np.ndarray:
    """Returns the (count,) bool that `format_mask` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=count).astype(bool)


def check_sizes(files: list[str], description: dict) -> None:
    """Raises where a file is not as long as it was when it was written: a copy that was cut off."""
    known = shards_of(description)
    for file in files:
        expected = known[_base(file)]["bytes"]
        try:
            found = tf.io.gfile.stat(file).length
        except tf.errors.OpError as error:
            raise UserError(f"{file}: expected a file of records, got: {first_line(error)}.") from None
        if found != expected:
            raise UserError(f"{file}: expected {expected} bytes as written, got {found}; copy it again.")


def _described(files: list[str], split: str, description: dict, data: str) -> list[str]:
    name = next((name for name in split_names(split) if name in description["splits"]), None)
    if name is None:
        raise UserError(f"{data}: expected a split of {', '.join(description['splits'])}, got {split!r}.")
    shards = description["splits"][name]["shards"]
    chosen = [file for file in files if _base(file) in shards]
    if tf.io.gfile.isdir(data) and len(chosen) < len(shards):
        missing = sorted(set(shards) - {_base(file) for file in chosen})
        raise UserError(f"{data}: expected {missing[0]} ({len(missing)} missing), got none; copy the folder again.")
    if not chosen:
        raise UserError(f"{data}: expected files of split {split!r} among its {len(files)}, got none of them.")
    return chosen


def _of_split(files: list[str], split: str, data: str) -> list[str]:
    for name in split_names(split):
        if chosen := _named(files, name):
            return chosen
    if any(_named(files, word) for word in _SPLIT_WORDS):
        shown = ", ".join(_base(file) for file in files[:3])
        raise UserError(
            f"{data}: expected record files with {split!r} in their names, got {shown}; choose another split."
        )
    return files


def _named(files: list[str], split: str) -> list[str]:
    word = re.compile(rf"(?<![a-z]){re.escape(split.lower())}(?![a-z])")
    return [file for file in files if word.search(_base(file).lower())]


def _check_complete(files: list[str]) -> None:
    groups = {}
    for file in files:
        if match := _SHARD_NAME.fullmatch(file):
            groups.setdefault((match[1], match[3], match[4]), set()).add(int(match[2]))
    for (before, count, after), numbers in groups.items():
        missing = sorted(set(range(int(count))) - numbers)
        if missing:
            raise UserError(
                f"{before}{missing[0]:05d}-of-{count}{after}: expected {int(count)} files, got {len(numbers)}; copy "
                "the missing ones, or name those that there are by a pattern."
            )


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]
