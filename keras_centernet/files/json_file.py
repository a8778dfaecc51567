"""JSON files: those of others without checks, our own with bounds, a schema and a version."""

import dataclasses
import json

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.schema import find_fault
from keras_centernet.files.texts import read_text

FORMAT, VERSION = "format", "version"  # keys
FIRST_VERSION = 1  # of a file that names none
MOST_BYTES = 1 << 28
MOST_DEPTH = 32


def read_json(path: AnyPath):
    """Returns the content of a JSON file of any size; raises a UserError if it is not JSON."""
    return _parse(read_text(path), path)


@dataclasses.dataclass(frozen=True)
class JsonFormat:
    """One kind of JSON file that this package writes.

    Attributes:
        schema: see `files.schema`; content with arbitrary keys ({str: ...}) has no version.
        advice: what to do about a file of another kind, such as "remove it".
        mark: value of its key "format"; None: it has no such key.
        version: of the files that are written, and the newest that is read. A file without a version is of version 1.
        version_key: the key that holds the version.
    """

    schema: dict
    advice: str
    mark: str | None = None
    version: int = FIRST_VERSION
    version_key: str = VERSION

    def read(self, path: AnyPath) -> dict:
        """Returns the checked content of a file.

        Raises:
            UserError: it is not JSON, is larger than 256 MB or nested deeper than 32 levels, has a newer version or
                content that does not fit the schema, names a key twice, or holds NaN or infinity.
        """
        return self.check(self.load(path), path)

    def load(self, path: AnyPath):
        """Returns the content of a file without comparing it with the schema."""
        return self.parse_any(read_text(path, MOST_BYTES), path)

    def parse(self, text: str, path: AnyPath | str) -> dict:
        """Returns the checked content of a text; `path` is for messages."""
        return self.check(self.parse_any(text, path), path)

    def parse_any(self, text: str, path: AnyPath | str):
        """Returns the content of a text without comparing it with the schema; `path` is for messages."""
        hooks = {"object_pairs_hook": _to_dict, "parse_constant": _refuse}
        content = _parse(text, path, f"; {self.advice}", **hooks)
        if _is_deeper(content, MOST_DEPTH):
            raise UserError(f"{path}: expected JSON, got one that is nested too deeply; {self.advice}.")
        return content

    def check(self, content, path: AnyPath) -> dict:
        """Returns a content unchanged; raises a UserError unless it is of this format and of a known version."""
        fault = self._find_fault(content)
        if fault:
            raise UserError(f"{path}: expected {fault}; {self.advice}.")
        return content

    def to_text(self, content: dict) -> str:
        """Returns the text of a file."""
        mark = {FORMAT: self.mark} if self.mark else {}
        return json.dumps({**mark, self.version_key: self.version, **content}, indent=1) + "\n"

    def _find_fault(self, content) -> str:
        if isinstance(content, dict) and str not in self.schema:
            version = content.get(self.version_key, FIRST_VERSION)
            if self.mark is not None and content.get(FORMAT) != self.mark:
                return f"format {self.mark!r}, got {shown(content.get(FORMAT))}"
            if not isinstance(version, int) or not FIRST_VERSION <= version <= self.version or version is True:
                return f"{_versions(self.version)}, got {shown(version)} (update keras_centernet if that is newer)"
            content = {key: value for key, value in content.items() if key not in (FORMAT, self.version_key)}
        return find_fault(content, self.schema)


def _versions(newest: int) -> str:
    return f"version {newest}" if newest == FIRST_VERSION else f"a version from {FIRST_VERSION} to {newest}"


def _parse(text: str, path: AnyPath, advice: str = "", **hooks):
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        raise UserError(f"{path}: expected JSON, got one that is nested too deeply{advice}.") from None
    except ValueError as error:
        raise UserError(f"{path}: expected JSON, got a file that is none ({first_line(error)}){advice}.") from None


def _to_dict(pairs: list[tuple]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is there twice")
    return content


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number of JSON")


def _is_deeper(content, most: int) -> bool:
    """Whether lists and objects are nested in more than `most` levels."""
    level = [content]
    for _ in range(most):
        level = [one for value in level if isinstance(value, list | dict) for one in _parts(value)]
    return any(isinstance(value, list | dict) for value in level)


def _parts(value: list | dict):
    return value.values() if isinstance(value, dict) else value
