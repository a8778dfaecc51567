"""Image ids of records: all different, the same at every reading, and the data set's own where possible.

A record names its image by a text: its source id, else its file name. A text that is a number is used as that number;
`parsing` hashes any other text, in the graph. Images that share a text, or have none, get an id made from their place:
the file and the number of the record in it.
"""

import collections
import contextlib
import hashlib
import itertools
import json
import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_centernet.files.paths import AnyPath

NUMBER = "-?[0-9]{1,18}"
LARGEST_ID = 2**62
TEXT_ERRORS = "surrogateescape"  # texts that are not UTF-8 keep their bytes
_NUMBER = re.compile(NUMBER)


def text_of_own(own: object) -> str:
    """Returns the text by which a record names an image, given the data set's own id, any JSON value."""
    if isinstance(own, str):
        with contextlib.suppress(UnicodeEncodeError):  # JSON can hold texts that UTF-8 cannot
            own.encode(errors=TEXT_ERRORS)
            return own
    return json.dumps(own)


def ids_of_texts(
    texts: Sequence[str], files: Sequence[AnyPath], counts: Sequence[int]
) -> tuple[np.ndarray | None, dict[int, object] | None]:
    """Returns ((n,) int64 image ids, None if those that `parsing` makes are all different; {id: own id}).

    Args:
        texts: by which n records name their images; "" for none.
        files: that they are in.
        counts: records in each file.
    """
    ids = _parsed(texts)
    is_alone = _are_alone(ids) & np.array([text != "" for text in texts], bool)
    own = {
        int(image_id): text
        for image_id, text, alone in zip(ids, texts, is_alone, strict=True)
        if alone and text != str(image_id)
    }
    if is_alone.all():
        return None, own or None
    places = _places(files, counts)
    for i in np.flatnonzero(~is_alone):
        ids[i] = _number_of(places[i])
        own[int(ids[i])] = f"{texts[i]} ({places[i]})" if texts[i] else places[i]
    return ids, own


def ids_of_own(
    own: Sequence | None, files: Sequence[AnyPath], counts: Sequence[int]
) -> tuple[np.ndarray | None, dict[int, object] | None]:
    """Returns the same for records whose own ids are known; `own` has None for those whose own id is their number.

    Values of different types may share a text, as "1" and 1 do.
    """
    if own is None:
        return None, None
    # The numbers of the others are not known here: ids are made from their places.
    texts = ["" if value is None else text_of_own(value) for value in own]
    ids, _ = ids_of_texts(texts, files, counts)
    numbers = _parsed(texts) if ids is None else ids
    return ids, {int(i): value for i, value in zip(numbers, own, strict=True) if value is not None}


def _parsed(texts: Sequence[str]) -> np.ndarray:
    """Returns the ids that `parsing` makes from texts."""
    encoded = [text.encode(errors=TEXT_ERRORS) for text in texts]
    hashes = tf.strings.to_hash_bucket_fast(tf.constant(encoded, tf.string, shape=(len(texts),)), LARGEST_ID)
    ids = hashes.numpy().copy()
    for i, text in enumerate(texts):
        if _NUMBER.fullmatch(text):
            ids[i] = int(text)
    return ids


def _are_alone(ids: np.ndarray) -> np.ndarray:
    counts = collections.Counter(ids.tolist())
    return np.array([counts[image_id] == 1 for image_id in ids.tolist()], bool)


def _places(files: Sequence[AnyPath], counts: Sequence[int]) -> list[str]:
    """Returns the place of each record, independent of the folder that the data set is in."""
    is_one_folder = len({file.parent for file in files}) == 1
    short = [file.name if is_one_folder else f"{file.parent.name}/{file.name}" for file in files]
    numbered = ((name, range(1, count + 1)) for name, count in zip(short, counts, strict=True))
    return list(itertools.chain.from_iterable((f"{name}, record {i}" for i in numbers) for name, numbers in numbered))


def _number_of(place: str) -> int:
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big") % LARGEST_ID
