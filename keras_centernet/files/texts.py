"""Reads files as text; an error is one line that names the file."""

import codecs

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.remote_path import is_remote

_WITH_MARK = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_content(path: AnyPath, most_bytes: int | None = None) -> bytes:
    """Returns the bytes of a file; raises a UserError if it is missing, not a regular file or over `most_bytes`.

    The size is checked before anything is read.
    """
    try:
        if not is_remote(path) and not path.is_file():
            found = "a folder" if path.is_dir() else "a device or pipe" if path.exists() else "none"
            raise UserError(f"{path}: expected a file, got {found}.")
        size = path.stat().st_size if most_bytes else 0
        if size > (most_bytes or 0):
            raise UserError(f"{path}: expected a file of at most {most_bytes} bytes, got {size}; it is another file.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected a readable file: {getattr(error, 'strerror', None) or error}.") from None


def read_beginning(path: AnyPath, size: int) -> bytes:
    """Returns the first bytes of a file; b"" if it is missing, not a regular file or not readable."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except (OSError, ValueError):
        return b""


def read_text(path: AnyPath, most_bytes: int | None = None) -> str:
    """Returns the text of a file in UTF-8, or in UTF-16 with a byte order mark; marks are dropped."""
    data = read_content(path, most_bytes)
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: expected text in UTF-8, got other bytes; save it as UTF-8.") from None


def encoding_of(data: bytes) -> str:
    """Returns the encoding that a byte order mark at the beginning indicates, else UTF-8."""
    return next((name for mark, name in _WITH_MARK.items() if data.startswith(mark)), "utf-8")
