"""Checks the numbers and names that a reader found; errors about impossible values name the file and the object."""

import math

import numpy as np

from keras_centernet.data.fields import known_fields
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import UserError, shown

LARGEST = 1e6  # pixels, metres, radians: larger numbers mean a damaged file
LARGEST_FRACTION = 2.0  # more than 1, because boxes of truncated objects can reach over the border
_INT64 = np.iinfo(np.int64)


def is_number(value: object, largest: float | None = None) -> bool:
    """Returns whether a value is a number or the text of one, "nan" and "inf" included.

    With `largest` it must also be finite, and at most `largest` in size.

    Examples:
        >>> is_number("-0.5"), is_number("cat"), is_number(7, largest=5), is_number(True)
        (True, False, False, False)
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(value, bool | np.bool_) and (largest is None or abs(number) <= largest)


def box_values(found: Found) -> np.ndarray:
    """Returns the boxes in `found` as (N, 4) float64.

    Raises:
        UserError: a value is not a number, not finite or too large; the message names the file and the object.
    """
    boxes = _numbers([row[2:6] for row in found.rows], 4, found, "the box")
    if found.is_relative and len(boxes):
        too_large = np.abs(boxes).max(axis=1) > LARGEST_FRACTION
        if too_large.any():
            row = found.rows[int(np.argmax(too_large))]
            raise UserError(f"{found.where(row)}: expected fractions of the image (0 to 1), got pixels: {_show(row)}.")
    return boxes


def area_values(found: Found) -> np.ndarray:
    """Returns (N,) float64 areas; NaN for objects whose label file states none above zero."""
    areas = [row[9] for row in found.rows]
    is_known = np.array([area is not None and area != 0 for area in areas], bool)
    values = np.full(len(areas), np.nan)
    known = [[area] for area, there in zip(areas, is_known, strict=True) if there]
    rows = [row for row, there in zip(found.rows, is_known, strict=True) if there]
    values[is_known] = _numbers(known, 1, found, "the area", rows, largest=LARGEST**2)[:, 0]
    return np.where(values > 0, values, np.nan)


def field_values(found: Found, key: str) -> np.ndarray:
    """Returns the values (N, ...) of one field of the objects in the dtype of its schema."""
    spec, values = known_fields().get(key), found.fields[key]
    if spec is not None and spec.dtype == "bool":
        return np.array(values, bool)
    shape = np.shape(values[0]) if values else ()
    table = _numbers([np.ravel(value).tolist() for value in values], math.prod(shape), found, key)
    return table.reshape(len(values), *shape).astype(spec.dtype if spec else None)


def image_field_values(found: Found, key: str) -> np.ndarray:
    """Returns (n, ...) of one field of the images in the type that its schema says, float32 if it has none."""
    spec = known_fields().get(key)
    return np.asarray(found.image_fields[key], spec.dtype if spec else np.float32)


def check_names(found: Found) -> None:
    """Raises unless the names of classes and image files are texts that a file can store."""
    for row in found.rows:
        if not _is_text(row[1]):
            raise UserError(f"{found.where(row)}: expected the name of a class, got {shown(row[1])}.")
    for name in found.classes or ():
        if not _is_text(name):
            raise UserError(f"{found.name}: expected names of classes, got {shown(name)}.")
    for image, labels in zip(found.images, found.label_files, strict=True):
        if "\0" in image or not _is_encodable(image, "surrogateescape"):
            raise UserError(f"{labels}: expected the name of an image file, got {shown(image)}.")


def stated_sizes(found: Found) -> np.ndarray:
    """Returns (n, 2) int64 (height, width) as the label files state them; zeros if they state none.

    Raises:
        UserError: a size is not a number, negative or too large.
    """
    sizes = np.zeros((len(found.images), 2), np.int64)
    for i, hw in enumerate(found.stated_hw):
        if not all(side in (None, "") for side in hw):
            if not all(is_number(side, LARGEST) and float(side) >= 0 for side in hw):
                expected = f"height and width of {found.images[i]} as whole numbers"
                raise UserError(f"{found.label_files[i]}: expected {expected}, got {str(hw)[:80]}; correct it.")
            sizes[i] = [round(float(side)) for side in hw]
    return sizes * np.all(sizes > 0, axis=1, keepdims=True)


def image_numbers(found: Found) -> tuple[np.ndarray, dict[int, object] | None]:
    """Returns ((n,) int64 image ids, {id: the data set's own id} or None if both are the same).

    The data set's own ids are used if all are different 64-bit integers; otherwise the images are numbered from 0.
    """
    ids = found.image_ids
    is_plain = all(isinstance(i, int) and not isinstance(i, bool) and _INT64.min <= i <= _INT64.max for i in ids)
    if ids and is_plain and len(set(ids)) == len(ids):
        return np.array(ids, np.int64), None
    numbers = np.arange(len(ids))
    own = {i: value for i, value in enumerate(ids) if value is not None}
    return numbers, own or None


def _numbers(
    values: list[list], width: int, found: Found, what: str, rows: list | None = None, largest: float = LARGEST
) -> np.ndarray:
    """Returns lists of numbers, or of texts of numbers, as (N, width) float64; `rows` are their objects."""
    try:
        table = np.array(values, np.float64) if values else np.zeros((0, width))
    except (TypeError, ValueError, OverflowError):
        table = None
    is_table = table is not None and table.shape == (len(values), width)
    if is_table and np.all(np.abs(table) <= largest) and not _holds_bool(values):
        return table
    for row, one in zip(found.rows if rows is None else rows, values, strict=True):
        if len(one) != width or not all(is_number(value, largest) for value in one):
            expected = f"{width} number(s) of at most {largest:.0e} in size as {what}"
            got = ", ".join(map(str, one))[:80] or "none"
            raise UserError(f"{found.where(row)}: expected {expected}, got {got}; correct or remove it.")
    raise UserError(f"{found.name}: expected {width} number(s) as {what} of every object, got other values.")


def _holds_bool(values: list[list]) -> bool:
    return any(isinstance(value, bool) for one in values for value in one)


def _is_text(name) -> bool:
    is_line = isinstance(name, str) and bool(name.strip()) and "\0" not in name and "\n" not in name
    return is_line and _is_encodable(name)


def _is_encodable(text: str, errors: str = "strict") -> bool:
    """Returns whether a text has no lone surrogates, which JSON can contain and files cannot."""
    try:
        text.encode(errors=errors)
        return True
    except UnicodeEncodeError:
        return False


def _show(row: tuple) -> str:
    return " ".join(str(value) for value in row[2:6])
