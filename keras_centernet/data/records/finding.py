"""Which files hold the records of a split, and `dataset.json`, which says what is in them.

Names as the TensorFlow Object Detection API and this package give them: `coco_train.record-00000-of-00100`,
`train-00000-of-00004.tfrecord`, `val.record`.
"""

import json
import os
import re
from collections.abc import Sequence

import numpy as np

from keras_centernet.data.fields import closed, known_fields
from keras_centernet.data.names import split_names
from keras_centernet.errors import UserError, first_line, look_up
from keras_centernet.files.paths import AnyPath, expand, is_remote, list_names, to_path
from keras_centernet.method.specs import FieldSpec

DESCRIPTION, LABEL_MAP = "dataset.json", "label_map.pbtxt"
DESCRIPTION_FORMAT, DESCRIPTION_VERSION = "keras_centernet records", 1
_RECORD_NAME = re.compile(r".*\.(tfrecords?|record)(-\d{5}-of-\d{5})?|[^.]*-\d{5}-of-\d{5}")
_SHARD_NAME = re.compile(r"(.*-)(\d{5})-of-(\d{5})(.*)")
_SPLIT_WORDS = ("train", "trainval", "val", "valid", "validation", "minival", "test", "testdev")


def is_record_data(path: AnyPath) -> bool:
    """Whether a path looks like records: a pattern, a record file, or a folder of such."""
    if "*" in str(path):
        return True
    if path.is_dir():
        return any(_RECORD_NAME.fullmatch(name) for name in list_names(path))
    if path.is_file():
        return _RECORD_NAME.fullmatch(path.name) is not None
    return any(sign in str(path) for sign in "?[")


def find_records(data: str | os.PathLike, split: str) -> tuple[list[AnyPath], dict | None]:
    """Returns the files of a split in order and the content of `dataset.json` beside them, None without one.

    Args:
        data: folder, file, or pattern such as "gs://bucket/coco_train.record-*".
        split: its name. Without `dataset.json` the files whose name holds it as a word; files none of which is
            named after any split are the split that was asked for.

    Raises:
        UserError: nothing is found, files are missing, or `dataset.json` is damaged.
    """
    # Workers of a data service may run in other folders.
    path = to_path(data if is_remote(data) else os.path.abspath(data))
    is_folder = path.is_dir()
    files = [path / name for name in list_names(path)] if is_folder else expand(str(path))
    files = sorted(file for file in files if _RECORD_NAME.fullmatch(file.name))
    if not files:
        expected = "record files such as train-00000-of-00004.tfrecord"
        raise UserError(f"data: expected {expected}, got {str(data)!r}, which has none.")
    description = read_description(path if is_folder else path.parent)
    if description is not None:
        return _described(files, split, description, path), description
    chosen = _of_split(files, split, path)
    if is_folder:
        _check_complete(chosen)
    return chosen, None


def read_description(folder: str | os.PathLike) -> dict | None:
    """Returns the content of a folder's `dataset.json`; None where there is none of this package.

    Raises:
        UserError: it is of a later version, or damaged.
    """
    path = to_path(folder) / DESCRIPTION
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a JSON file, it cannot be read: {first_line(error)}.") from None
    if not isinstance(content, dict) or content.get("format") != DESCRIPTION_FORMAT:
        return None
    if content.get("version") != DESCRIPTION_VERSION:
        raise UserError(f"{path}: expected version {DESCRIPTION_VERSION}, got {content.get('version')!r}.")
    lacking = [key for key in ("classes", "fields", "task_options", "splits") if key not in content]
    if lacking:
        raise UserError(f"{path}: expected {', '.join(lacking)} in it, got none; make the records anew.")
    return content


def fields_of(description: dict) -> dict[str, FieldSpec]:
    """Returns the fields of a `dataset.json`, which once were known names alone."""
    fields = description["fields"]
    if isinstance(fields, dict):
        return {name: FieldSpec(**spec | {"shape": tuple(spec["shape"])}) for name, spec in fields.items()}
    known, keypoints = known_fields(), len(description["task_options"].get("skeleton", {}).get("names", ()))
    return {name: closed(look_up(known, name, f"field of {DESCRIPTION}"), keypoints) for name in fields}


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


def _described(files: list[AnyPath], split: str, description: dict, data: AnyPath) -> list[AnyPath]:
    name = next((name for name in split_names(split) if name in description["splits"]), None)
    if name is None:
        raise UserError(f"{data}: expected a split of {', '.join(description['splits'])}, got {split!r}.")
    shards = description["splits"][name]["shards"]
    chosen = [file for file in files if file.name in shards]
    if data.is_dir() and len(chosen) < len(shards):
        missing = sorted(set(shards) - {file.name for file in chosen})
        raise UserError(f"{data}: expected {missing[0]} ({len(missing)} missing), got none; copy the folder again.")
    if not chosen:
        raise UserError(f"{data}: expected files of split {split!r} among its {len(files)}, got none of them.")
    return chosen


def _of_split(files: list[AnyPath], split: str, data: AnyPath) -> list[AnyPath]:
    for name in split_names(split):
        if chosen := _named(files, name):
            return chosen
    if any(_named(files, word) for word in _SPLIT_WORDS):
        shown = ", ".join(file.name for file in files[:3])
        raise UserError(f"{data}: expected record files named after {split!r}, got {shown}; choose another split.")
    return files


def _named(files: list[AnyPath], split: str) -> list[AnyPath]:
    word = re.compile(rf"(?<![a-z]){re.escape(split.lower())}(?![a-z])")
    return [file for file in files if word.search(file.name.lower())]


def _check_complete(files: list[AnyPath]) -> None:
    groups = {}
    for file in files:
        if match := _SHARD_NAME.fullmatch(str(file)):
            groups.setdefault((match[1], match[3], match[4]), set()).add(int(match[2]))
    for (before, count, after), numbers in groups.items():
        missing = sorted(set(range(int(count))) - numbers)
        if missing:
            name = f"{before}{missing[0]:05d}-of-{count}{after}"
            advice = "copy the missing ones, or name the existing ones by a pattern."
            raise UserError(f"{name}: expected {int(count)} files, got {len(numbers)}; {advice}")
