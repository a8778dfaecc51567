"""Reads a table of boxes in a CSV file: its separator, its columns and its lines."""

import csv
import dataclasses
import io
import re
from collections.abc import Iterator

from keras_centernet.data.reading.values import is_number
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import encoding_of, read_beginning, read_text

SUFFIXES = (".csv", ".tsv")
SIDES = ("x1", "y1", "x2", "y2")
_SEPARATORS = (",", ";", "\t", "|")
_BEGINNING, _LINES = 1 << 16, 20  # bytes and lines by which a table is recognised
# Names of each column in practice, the most specific first, in lower case and with _ for spaces.
_COLUMNS = {
    "image": (
        "filename",
        "file_name",
        "imageid",
        "image_id",
        "image_name",
        "image_path",
        "img_path",
        "image",
        "path",
        "file",
    ),
    "name": ("class", "class_name", "labelname", "label_name", "label", "category", "name"),
    "x1": ("xmin", "x_min", "x1", "left"),
    "y1": ("ymin", "y_min", "y1", "top"),
    "x2": ("xmax", "x_max", "x2", "right"),
    "y2": ("ymax", "y_max", "y2", "bottom"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "is_crowd": ("isgroupof",),
}
_NEEDED = ("image", "name", *SIDES)
# Columns of Open Images, whose boxes are fractions.
_FRACTIONS = {"imageid", "labelname", "isgroupof"}
# Columns of RetinaNet's tables, which have no header.
_PLAIN = {key: i for i, key in enumerate(("image", *SIDES, "name"))}


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of a table.

    Attributes:
        separator: separator of columns.
        columns: {"image", "name", one of `SIDES`, ...: number of its column}.
        has_names: whether the first line is a header that names the columns.
        is_relative: whether the names of columns show that boxes are fractions of the image.
    """

    separator: str
    columns: dict[str, int]
    has_names: bool
    is_relative: bool


def read_layout(path: AnyPath) -> Layout | None:
    """Returns the layout of a table, judged by its first lines; None if the file is not a table of boxes."""
    data = read_beginning(path, _BEGINNING)
    lines = list(filter(str.strip, data.decode(encoding_of(data), errors="ignore").splitlines()))[:_LINES]
    for separator in _SEPARATORS if lines else ():
        rows = [_split(line, separator) for line in lines]
        names = [re.sub(r"\W+", "_", word.lower()) for word in rows[0]]
        columns = {key: names.index(name) for key, known in _COLUMNS.items() for name in known[::-1] if name in names}
        if set(_NEEDED) <= columns.keys():
            return Layout(separator, columns, True, set(names) >= _FRACTIONS)
        if any(map(_is_plain_line, rows)):  # errors in other lines are reported when they are read
            return Layout(separator, _PLAIN, False, False)
    return None


def _split(line: str, separator: str) -> list[str]:
    try:
        (words,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
    except (csv.Error, ValueError):
        return []
    return [word.strip() for word in words]


def read_lines_of(path: AnyPath, layout: Layout) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (number of the line, {"image", "name", ...: its text}) of a table.

    Raises:
        UserError: the file cannot be read, or a line has too few or too many columns.
    """
    reader = csv.reader(
        io.StringIO(read_text(path), newline=None), delimiter=layout.separator, skipinitialspace=True, strict=True
    )
    width, is_first = 0, layout.has_names
    try:
        for words in reader:
            if not any(map(str.strip, words)):
                continue
            width = width or len(words)
            if len(words) != width:
                where = f"{path}, line {reader.line_num}"
                raise UserError(f"{where}: expected {width} columns as in the first line, got {len(words)}.")
            if not is_first:
                yield reader.line_num, {key: words[i].strip() for key, i in layout.columns.items()}
            is_first = False
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num}: expected a line of CSV, got a damaged one ({error})."
        ) from None


def _is_plain_line(words: list[str]) -> bool:
    """Returns whether a line is path, x1, y1, x2, y2, class; the last five can all be empty."""
    if len(words) != len(_PLAIN) or not words[0]:
        return False
    return not any(words[1:]) or (bool(words[5]) and all(map(is_number, words[1:5])))
