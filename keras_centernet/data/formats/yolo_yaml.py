"""The few lines of YAML that a YOLO data.yaml consists of, read without a YAML library.

Understood: comments, `key: value`, lists and maps in brackets (also over several lines) or indented
below their key. Values stay strings.
"""

import re

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath

_ITEM = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[^,]+")


def parse_yolo_yaml(path: AnyPath) -> dict[str, str | list[str] | dict[str, str]]:
    """Returns the top-level entries of a data.yaml.

    Args:
        path: the file.

    Raises:
        UserError: the file cannot be read or has other YAML than described above.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a text file in YAML, got {error}.") from None
    content, key, pending = {}, None, ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _without_comment(raw).rstrip()
        if not line.strip() or line.strip() in ("---", "..."):
            continue
        if pending:
            pending += " " + line.strip()
        elif line[0] not in " -" or key is None:
            key, colon, pending = line.partition(":")
            key, pending = _unquote(key), pending.strip()
            if not colon or line[0] == " ":
                raise UserError(f"{path}, line {number}: expected 'key: value', got {raw.strip()!r}.")
        else:
            content[key] = _add_indented(content.get(key), line.strip(), f"{path}, line {number}")
            continue
        if pending[:1] in "[{" and pending[:1] and pending[-1] not in "]}":
            continue
        content[key], pending = _to_value(pending), ""
    if pending:
        raise UserError(f"{path}: expected a closing bracket after {key!r}, got the end of the file.")
    return content


def _without_comment(line: str) -> str:
    """Returns the line up to a # that starts a comment: at its start or after a blank, outside quotes."""
    quote = ""
    for i, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and (i == 0 or line[i - 1] in " ,[{:"):
            quote = character
        elif character == "#" and (i == 0 or line[i - 1].isspace()):
            return line[:i]
    return line


def _add_indented(value, entry: str, where: str) -> list[str] | dict[str, str]:
    """Returns a list or map with one more entry: "- item" or "key: item"."""
    if entry.startswith("- ") and not isinstance(value, dict):
        return [*(value or []), _unquote(entry[2:])]
    key, colon, item = entry.partition(":")
    if not colon or isinstance(value, list) or (isinstance(value, str) and value):
        raise UserError(f"{where}: expected '- item' or 'key: item' like the lines before, got {entry!r}.")
    return {**(value or {}), _unquote(key): _unquote(item)}


def _to_value(text: str) -> str | list[str] | dict[str, str]:
    if text[:1] == "[":
        return [_unquote(item) for item in _ITEM.findall(text[1:-1]) if item.strip()]
    if text[:1] == "{":
        pairs = [item.partition(":") for item in _ITEM.findall(text[1:-1]) if item.strip()]
        return {_unquote(key): _unquote(item) for key, _, item in pairs}
    return _unquote(text)


def _unquote(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
    return text
