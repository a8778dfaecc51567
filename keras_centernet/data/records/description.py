"""`dataset.json`: what `make-tfrecords` says about the records beside it. One schema, checked once.

| key | content |
|---|---|
| format, version | "keras_centernet records", 1 |
| classes | their names, in the order of the labels |
| category_ids | the data set's own ids of the classes, null for a class without one; null if no class has one |
| fields | {name: {dtype, shape, of_image, record_key}} of the values of objects and images besides class and box |
| task_options | such as {"skeleton": ...} |
| splits | {name: {images, objects, most_objects of an image, class_objects, own_image_ids, shards}} |

`class_objects` counts the objects of each class, without hidden regions. `own_image_ids` lists the data set's own ids
of the images in the order of the records (null if it is a 64-bit number); it is missing if all are such numbers.
`shards` is {file name: {images, bytes, with_objects}}; `with_objects` is a mask of the images that have an object.
Keys that older versions did not write may be missing.
"""

import math
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_centernet.data.fields import closed, known_fields
from keras_centernet.data.records import keys
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import FORMAT, JsonFormat
from keras_centernet.files.paths import to_path
from keras_centernet.method.specs import FieldSpec
from keras_centernet.tasks.skeletons import Skeleton

DESCRIPTION = "dataset.json"
_SHARD = {"images": int, "bytes": int, "with_objects?": str, "?": object}
_SPLIT = {
    "images": int,
    "objects": int,
    "most_objects": int,
    "shards": {str: _SHARD},
    "class_objects?": [int],
    "own_image_ids?": [object],
    "?": object,
}
_SCHEMA = {
    "classes": [str],
    "fields": ({str: {"dtype": str, "shape": [int], "of_image": bool, "record_key": str}}, [str]),
    "task_options": {"skeleton?": {"names": [str], "?": object}, "?": object},
    "splits": {str: _SPLIT},
    "category_ids?": ([object], None),
    "?": object,
}
DATASET_FILE = JsonFormat(
    _SCHEMA,
    advice="write the records anew with make-tfrecords --overwrite",
    mark="keras_centernet records",
)
_MOST_VALUES = 10**6  # of a field of one object


def read_description(folder: str | os.PathLike) -> dict | None:
    """Returns the content of a folder's `dataset.json`; None if there is none of this package.

    Raises:
        UserError: it is of a later version, or a value in it is not what the schema says.
    """
    path = to_path(folder) / DESCRIPTION
    if not path.exists():
        return None
    content = DATASET_FILE.load(path)
    if not isinstance(content, dict) or content.get(FORMAT) != DATASET_FILE.mark:
        return None
    DATASET_FILE.check(content, path)
    fault = _find_contradiction(content)
    if fault:
        raise UserError(f"{path}: expected {fault}; {DATASET_FILE.advice}.")
    return content


def fields_of(description: dict) -> dict[str, FieldSpec]:
    """Returns the fields of a checked `dataset.json`; older files list only names of known fields."""
    fields = description["fields"]
    if isinstance(fields, dict):
        return {name: FieldSpec(**spec | {"shape": tuple(spec["shape"])}) for name, spec in fields.items()}
    known, keypoints = known_fields(), len(description["task_options"].get("skeleton", {}).get("names", ()))
    return {name: closed(known[name], keypoints) for name in fields}


def format_mask(mask: Sequence[bool]) -> str:
    """Returns booleans as hexadecimal digits, the first as the highest bit: a hundred thousand images take 25 KB.

    Examples:
        >>> format_mask([True, False, False, True, True]), parse_mask("98", 5).tolist()
        ('98', [True, False, False, True, True])
    """
    return np.packbits(np.array(mask, bool)).tobytes().hex()


def parse_mask(text: str, count: int) -> np.ndarray:
    """Returns the (count,) bool that `format_mask` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=count).astype(bool)


def _find_contradiction(content: dict) -> str:
    """Returns which values do not fit together, as "<expected>, got <found>"; "" if all do."""
    classes, ids = content["classes"], content.get("category_ids")
    if not classes or len(set(classes)) != len(classes):
        return f"different names as classes, got {str(classes)[:80]}"
    if ids is not None and len(ids) != len(classes):
        return f"{len(classes)} category_ids, one for each class, got {len(ids)}"
    faults = (_fault_of_split(split, f"splits.{name}", len(classes)) for name, split in content["splits"].items())
    return next(filter(None, faults), "") or _fault_of_fields(content)


def _fault_of_split(split: dict, where: str, classes: int) -> str:
    counts, own, shards = split.get("class_objects"), split.get("own_image_ids"), split["shards"]
    images = sum(shard["images"] for shard in shards.values())
    if not shards or images != split["images"]:
        return f"{split['images']} images in the shards of {where}, got {images}"
    if counts is not None and (len(counts) != classes or sum(counts) > split["objects"]):
        return f"{classes} class_objects in {where}, up to {split['objects']} together, got {str(counts)[:80]}"
    if own is not None and len(own) != images:
        return f"{images} own_image_ids in {where}, got {len(own)}"
    for name, shard in shards.items():
        if shard["images"] > shard["bytes"]:
            return f"fewer images than bytes in {where}.shards.{name}, got {shard['images']}, {shard['bytes']}"
        mask = shard.get("with_objects")
        if mask is not None and not _is_mask(mask, shard["images"]):
            return f"a mask of {shard['images']} images in {where}.shards.{name}, got {mask[:60]!r}"
    return ""


def _is_mask(text: str, count: int) -> bool:
    try:
        return len(bytes.fromhex(text)) == -(-count // 8)
    except ValueError:
        return False


def _fault_of_fields(content: dict) -> str:
    fields, skeleton = content["fields"], content["task_options"].get("skeleton")
    if isinstance(fields, list):
        unknown = sorted(set(fields) - set(known_fields()))
        return f"fields of {', '.join(known_fields())}, got {unknown[0][:60]!r}" if unknown else ""
    try:
        keypoints = len(Skeleton.of(skeleton).names) if skeleton else None
    except (TypeError, ValueError) as error:
        return f"a skeleton in task_options, got {str(skeleton)[:80]} ({error})"
    for name, spec in fields.items():
        if not _is_type(spec["dtype"]) or math.prod(spec["shape"]) > _MOST_VALUES:
            return f"a type of TensorFlow and a shape in fields.{name}, got {str(spec)[:80]}"
        if spec["record_key"] == keys.KEYPOINTS and spec["shape"] != [keypoints, 3]:
            return f"the shape {[keypoints, 3]} of the skeleton in fields.{name}, got {spec['shape']}"
    return ""


def _is_type(name: str) -> bool:
    try:
        return tf.as_dtype(name) is not None
    except TypeError:
        return False
