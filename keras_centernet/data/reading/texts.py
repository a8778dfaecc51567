"""Reads label files as lines or XML; if a file cannot be read, the error names it in one line."""

import re
import xml.etree.ElementTree as ElementTree

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import encoding_of, read_content, read_text

_DECLARED = re.compile(rb"""^<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_NOT_OF_BYTES = ("utf-16", "utf-32", "ucs-", "unicode")


def read_lines(path: AnyPath) -> list[str]:
    """Returns the lines of a text file, without spaces around them."""
    return [line.strip() for line in read_text(path).splitlines()]


def read_xml(path: AnyPath) -> ElementTree.Element:
    """Returns the root of an XML file, decoded by its byte order mark, else by its declared encoding.

    Some programs declare UTF-16 in a file of single bytes; such a file is decoded as UTF-8.
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
