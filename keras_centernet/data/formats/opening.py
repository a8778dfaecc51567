"""Opens a data set of any format with its row of the table: returns a `Source`, or the names of its splits."""

import os
from typing import TYPE_CHECKING

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.table import FORMATS, Format, find_format, is_pattern
from keras_centernet.errors import UserError, did_you_mean
from keras_centernet.files.paths import to_path

if TYPE_CHECKING:  # the module imports TensorFlow
    from keras_centernet.data.source import Source


def read_source(
    data: str | os.PathLike, split: str, format: str | None = None, fields: tuple[str, ...] = (), **options
) -> "Source":
    """Returns one split of a data set of any format.

    Args:
        format: a key of `FORMATS`, or None to detect it.
        data, split, fields, options: attributes of `DataRequest`.

    Raises:
        UserError: the format is unknown, cannot be detected or does not take an option, or the reader raises an error.
    """
    request = DataRequest(data, split, fields=tuple(fields), **options)
    row = _checked_row(request, format)
    if row.splits is None or row.makes_parts:
        return row.read(request)
    from keras_centernet.data.reading.parts import read_parts  # imports TensorFlow, which `--help` does not need

    return read_parts(row.read, tuple(row.splits(request)), request)


def splits_of(
    data: str | os.PathLike, format: str | None = None, fields: tuple[str, ...] = (), **options
) -> tuple[str, ...] | None:
    """Returns the names of a data set's own splits, () if it has none; None if the format cannot list splits.

    Arguments and errors are those of `read_source`.
    """
    request = DataRequest(data, fields=tuple(fields), **options)
    row = _checked_row(request, format)
    return None if row.splits is None else tuple(row.splits(request))


def _checked_row(request: DataRequest, format: str | None) -> Format:
    """Returns the format's row after checking that its reader can answer the request."""
    data, fields = request.data, request.fields
    format = find_format(data, request.annotations) if format is None else format
    if format not in FORMATS:
        expected = f"expected one of {', '.join(FORMATS)}, got {format!r}."
        raise UserError(f"format: {expected}{did_you_mean(format, FORMATS)}")
    row = FORMATS[format]
    if not row.can_know(fields):
        able = [name for name, other in FORMATS.items() if other.can_know(fields)]
        problem = f"format {format} has no {', '.join(fields)}, which this task needs"
        raise UserError(f"{problem}: expected one of {', '.join(able)}. Pass another data set, or another task.")
    for option, expected in (("annotations", row.annotations), ("images", "the folder of images" * row.takes_images)):
        value = getattr(request, option)
        if value is not None and not expected:
            raise UserError(f"{option}: expected none with format {format}, got {str(value)!r}; remove it.")
        if value is not None and not to_path(value).exists():
            raise UserError(f"{option}: expected {expected}, got {str(value)!r}, which does not exist.")
        if option == "images" and value is not None and not to_path(value).is_dir():
            raise UserError(f"{option}: expected {expected}, got {str(value)!r}, which is not a folder.")
    if not row.is_name and not is_pattern(data) and not request.path.exists():
        raise UserError(f"data: expected a folder or file in {format} format, got {str(data)!r}, which does not exist.")
    return row
