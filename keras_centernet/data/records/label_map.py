"""Label maps of the TensorFlow Object Detection API: text files that say which number is which class."""

import dataclasses
import os
import re
from collections.abc import Sequence

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import to_path

_TOKENS = re.compile(r"""\s+|\#[^\n]*|(?P<token>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[\w.+-]+|[{}:;,<>])""")


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """The classes of records.

    Attributes:
        names: by label, in ascending order of the labels, which may have gaps (COCO's go up to 90).
        texts: {what a record may call a class: its name}: names and, where there are some, display names.
    """

    names: dict[int, str]
    texts: dict[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return tuple(dict.fromkeys(self.names.values()))


def labels_of(classes: Sequence[str], category_ids: Sequence[int | None] | None = None) -> tuple[int, ...]:
    """Returns the labels of classes in records: their category ids where label maps allow those, else 1, 2, ...

    Example:
        >>> labels_of(("cat", "dog"), (3, 18)), labels_of(("cat", "dog"), (0, 1))
        ((3, 18), (1, 2))
    """
    ids = [key for key in category_ids or () if isinstance(key, int) and key >= 1]
    return tuple(ids) if len(set(ids)) == len(classes) else tuple(range(1, len(classes) + 1))


def label_map_of(classes: Sequence[str], category_ids: Sequence[int | None] | None = None) -> LabelMap:
    """Returns the map of classes with the labels of `labels_of`, in the order of the classes."""
    names = dict(zip(labels_of(classes, category_ids), classes, strict=True))
    return LabelMap(names, {name: name for name in classes})


def format_label_map(classes: Sequence[str], category_ids: Sequence[int | None] | None = None) -> str:
    """Returns the text of a label map with the labels of `labels_of`."""
    quoted = [name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") for name in classes]
    labels = labels_of(classes, category_ids)
    return "\n".join(f"item {{\n  id: {i}\n  name: '{name}'\n}}" for i, name in zip(labels, quoted, strict=True)) + "\n"


def read_label_map(path: str | os.PathLike) -> LabelMap:
    """Returns the content of a label map; a class is called by its display name where it has one.

    Args:
        path: of a .pbtxt file, local or gs://.

    Raises:
        UserError: the file cannot be read, or an item has no id or no name.
    """
    try:
        text = to_path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a label map (.pbtxt), it cannot be read: {first_line(error)}.") from None
    names, texts = {}, {}
    for item in _parse_items(text, path):
        try:
            label = int(item["id"])
            name = item.get("display_name") or item["name"]
        except (KeyError, ValueError):
            raise UserError(f"{path}: expected items with id and name, got {item}.") from None
        if label in names or label < 1:
            raise UserError(f"{path}: expected different ids from 1 on, got {label}{' twice' * (label in names)}.")
        names[label] = name
        texts |= {item.get("name", name): name, name: name}
    if not names:
        raise UserError(f"{path}: expected at least one item {{ id: 1 name: 'cat' }}, got none.")
    return LabelMap(dict(sorted(names.items())), texts)


def _parse_items(text: str, path: str | os.PathLike) -> list[dict[str, str]]:
    """Returns the plain fields of every `item { ... }`; messages within an item are passed over."""
    tokens, position = [], 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise UserError(f"{path}, line {line}: expected a label map in protobuf's text format, got another.")
        position = match.end()
        if match["token"] and match["token"] not in ":;,":
            tokens.append(match["token"])
    items, depth, key = [], 0, None
    for token in tokens:
        if token in "{<":
            depth += 1
            if depth == 1:
                items.append({})
            key = None
        elif token in "}>":
            depth, key = depth - 1, None
        elif key is None:
            key = token
        else:
            if depth == 1:
                items[-1].setdefault(key, _unquote(token))
            key = None
    if depth:
        raise UserError(f"{path}: expected every brace to be closed, got a file that is cut off.")
    return items


def _unquote(token: str) -> str:
    """Returns the text of a token; protobuf writes what is not ASCII as octal bytes."""
    if token[0] not in "\"'":
        return token

    def replace(match: re.Match) -> bytes:
        escaped = match[1]
        return bytes([int(escaped, 8)]) if escaped.isdigit() else {b"n": b"\n", b"t": b"\t"}.get(escaped, escaped)

    return re.sub(rb"\\([0-3][0-7]{2}|[^0-9])", replace, token[1:-1].encode()).decode(errors="replace")
