"""Judges JSON files by the keys at their beginning, because label files are large and lie beside other JSON files."""

import dataclasses
import re

from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import encoding_of, read_beginning

_BYTES = 1 << 18
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)("?)|([{}\[\]:])', re.DOTALL)


@dataclasses.dataclass(frozen=True)
class JsonHead:
    """The beginning of a JSON file.

    Attributes:
        keys: keys of the outermost object, or of the first object in the outermost list, as far as they were read.
        is_list: whether the outermost value is a list.
        is_whole: whether the whole file was read.
    """

    keys: frozenset[str]
    is_list: bool
    is_whole: bool


def read_json_head(path: AnyPath) -> JsonHead:
    """Returns the head of a file, read from its first 256 KiB; a file that is missing or not JSON has no keys."""
    data = read_beginning(path, _BYTES)
    text = data.decode(encoding_of(data), errors="ignore").lstrip()
    is_list = text.startswith("[")
    keys = frozenset(_first_keys(text, 1 + is_list) if text[:1] in ("{", "[") else ())
    return JsonHead(keys, is_list, len(data) < _BYTES)


def _first_keys(text: str, wanted_depth: int) -> set[str]:
    """Returns the keys of the first object at that depth."""
    keys, depth, last = set(), 0, None
    for match in _TOKEN.finditer(text):
        string, _, sign = match.groups()
        if sign == ":" and depth == wanted_depth and last is not None:
            keys.add(last)
        elif sign in ("{", "["):
            depth += 1
        elif sign in ("}", "]"):
            depth -= 1
            if depth < wanted_depth and (keys or not depth):
                break
        last = string
    return keys
