"""Label files as texts, JSON and XML; whatever cannot be read is one line that names the file."""

import codecs
import json
import re
import xml.etree.ElementTree as ElementTree

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.remote_path import is_remote

_DECLARED = re.compile(rb"""^<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_NOT_OF_BYTES = ("utf-16", "utf-32", "ucs-", "unicode")
_SHOWN = 80
_WITH_MARK = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_content(path: AnyPath) -> bytes:
    """Returns the bytes of a file; a UserError where there is none, or no ordinary one."""
    try:
        if not is_remote(path) and not path.is_file():
            found = "a folder" if path.is_dir() else "a device or pipe" if path.exists() else "none"
            raise UserError(f"{path}: expected a file, got {found}.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected a readable file: {getattr(error, 'strerror', None) or error}.") from None


def read_beginning(path: AnyPath, size: int) -> bytes:
    """Returns the first bytes of a file; b"" where there is none, or no ordinary one that can be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except (OSError, ValueError):
        return b""


def read_text(path: AnyPath) -> str:
    """Returns the text of a file in UTF-8, or in UTF-16 with a byte order mark; marks are dropped."""
    return _decode(read_content(path), path)


def read_lines(path: AnyPath) -> list[str]:
    """Returns the lines of a text file, without spaces around them."""
    return [line.strip() for line in read_text(path).splitlines()]


def read_json(path: AnyPath):
    """Returns the content of a JSON file."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected JSON, got a file that is none ({error}).") from None
    except RecursionError:
        raise UserError(f"{path}: expected JSON, got one that is nested too deeply.") from None


def read_xml(path: AnyPath) -> ElementTree.Element:
    """Returns the root of an XML file, in the encoding that its mark says, else in the one that it declares.

    A declaration in ASCII that says UTF-16, as some programs write it, is wrong: then the file is in UTF-8.
    """
    data = read_content(path)
    marked, declared = encoding_of(data), _DECLARED.match(data)
    name = declared[1].decode().lower() if declared else marked
    try:
        if marked == "utf-8" and name == "utf-8":
            return ElementTree.fromstring(data)
        text = data.decode("utf-8" if name.startswith(_NOT_OF_BYTES) and marked == "utf-8" else name)
        return ElementTree.fromstring(_DECLARATION.sub("", text, count=1))
    except LookupError:
        expected = "an encoding that Python knows"
        raise UserError(f"{path}: expected {expected}, got {declared[1].decode()!r}; save it as UTF-8.") from None
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected XML, got a file that cannot be read as such ({error}).") from None


def shown(value) -> str:
    """Returns a value of JSON for messages, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def encoding_of(data: bytes) -> str:
    """Returns the encoding that a byte order mark at the beginning says, else UTF-8."""
    return next((name for mark, name in _WITH_MARK.items() if data.startswith(mark)), "utf-8")


def _decode(data: bytes, path: AnyPath) -> str:
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: expected text in UTF-8, got other bytes; save it as UTF-8.") from None
