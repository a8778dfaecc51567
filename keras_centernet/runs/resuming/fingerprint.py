"""Fingerprints of a run's data, and what has changed since then in words.

No image is read: a fingerprint is made from names and sizes of files, and from the labels that are in memory anyway.
"""

import hashlib
import os

import numpy as np
import tensorflow as tf

from keras_centernet.data.annotations import Annotations
from keras_centernet.data.source import Source
from keras_centernet.files.remote_path import is_remote

_DIGITS = 16  # of a digest
_COUNTS = ("images", "objects")
# Keys of a fingerprint, the most telling first: if one differs, those after it usually differ, too.
_DIGESTS = {"image_names": "other names of images", "image_bytes": "other image files", "labels": "other labels"}


def fingerprint_of(dataset: tf.data.Dataset) -> dict:
    """Returns the fingerprint of a data set of `load_dataset`, for a JSON file.

    Returns:
        {"images": count, "objects": count, "classes": names in their order, "objects_by_class": counts,
        "image_names": digest of the names in order, relative to the folder of all of them, "image_bytes": sum of the
        files' sizes, "labels": digest of boxes and classes}; a value is None if it is not known without reading the
        images, for example for a stream, or for drawn or remote images.
    """
    source = dataset.source
    known = {"images": source.size, "objects": None, "classes": list(source.classes), "objects_by_class": None}
    known |= dict.fromkeys(_DIGESTS)
    return known if source.annotations is None else known | _of_annotations(source, source.annotations)


def describe_changes(before: dict, now: dict, split: str) -> list[str]:
    """Returns what differs between two fingerprints in words, such as "12 images more in train"; [] for equal ones.

    Classes are left to `describe_classes`.
    """
    said = []
    for name in _COUNTS:
        if more := _difference(before.get(name), now.get(name)):
            word = name if abs(more) > 1 else name[:-1]
            said.append(f"{abs(more)} {word} {'more' if more > 0 else 'fewer'} in {split}")
    for name, text in _DIGESTS.items():
        pair = before.get(name), now.get(name)
        if not said and None not in pair and pair[0] != pair[1]:
            said.append(f"{text} in {split}")
    return said


def describe_classes(before: list[str], now: list[str]) -> str:
    """Returns in words what differs between two lists of classes, such as "class 'cat' is new"; "" for the same."""
    changes = {"new": [name for name in now if name not in before]}
    changes["gone"] = [name for name in before if name not in now]
    return ", ".join(_say_classes(names, what) for what, names in changes.items() if names)


def _of_annotations(source: Source, annotations: Annotations) -> dict:
    is_visible = ~annotations.is_hidden
    counts = np.bincount(annotations.classes[is_visible], minlength=len(source.classes))
    names = annotations.image_names
    columns = (annotations.image_index, annotations.classes, annotations.boxes_xyxy)
    return {
        "objects": int(is_visible.sum()),
        "objects_by_class": counts.tolist(),
        "image_names": _digest(*(name.encode("utf-8", "surrogateescape") + b"\0" for name in _below(names))),
        "image_bytes": _bytes_of(names),
        "labels": _digest(*(np.ascontiguousarray(column).tobytes() for column in columns)),
    }


def _below(names: tuple[str, ...]) -> list[str]:
    """Returns the paths relative to the folder that holds all of them, because a data set may have moved."""
    folders = [name.rpartition("/")[0] + "/" for name in names]
    shared = os.path.commonprefix(folders).rpartition("/")[0]  # noqa: RUF071 the characters end at a slash
    return [name[len(shared) :] for name in names]


def _bytes_of(names: tuple[str, ...]) -> int | None:
    """Returns the sum of the sizes of local files; None if one is remote or does not exist, such as a drawn image."""
    if any(map(is_remote, names)):
        return None
    try:
        return sum(os.stat(name).st_size for name in names)
    except (OSError, ValueError):
        return None


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:_DIGITS]


def _difference(before, now) -> int:
    """Returns how much a count has grown; 0 if one of the two is unknown."""
    return now - before if type(before) is type(now) is int else 0


def _say_classes(names: list[str], what: str) -> str:
    quoted = ", ".join(map(repr, names))
    return f"class {quoted} is {what}" if len(names) == 1 else f"classes {quoted} are {what}"
