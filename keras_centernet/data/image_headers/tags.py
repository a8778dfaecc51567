"""Reads tagged values of TIFF files and of the EXIF data in other formats."""

import io
import os
import struct
from typing import BinaryIO

WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION = 0x100, 0x101, 0x102, 0x106, 0x112
MOST_USED, MOST_POSSIBLE = 0x119, 0x155  # MaxSampleValue, SMaxSampleValue
EXIF_MARK = b"Exif\0\0"
_WANTED = {WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, MOST_USED, MOST_POSSIBLE}
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_LAYOUTS = {42: (4, "I", "H"), 43: (8, "Q", "Q")}  # position and type of the directory's offset, type of its count
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # TIFF's type of a value -> format character of `struct`
_MOST_ENTRIES, _MOST_NUMBERS = 4096, 16


class FileBytes:
    """An open file that is never read beyond its end, because remote files fail there."""

    def __init__(self, file: BinaryIO):
        self._file = file
        file.seek(0, os.SEEK_END)
        self.size = file.tell()

    def at(self, position: int, count: int) -> bytes:
        """Returns exactly `count` bytes, or raises EOFError."""
        if position + count > self.size:
            raise EOFError
        self._file.seek(position)
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def numbers(self, layout: str, position: int) -> tuple:
        """Returns the numbers that `struct` unpacks at a position."""
        return struct.unpack(layout, self.at(position, struct.calcsize(layout)))


def orientation_in(exif: bytes) -> int | None:
    """Returns the orientation 1 to 8 that EXIF data states; None if it states none."""
    try:
        (value, *_) = read_directory(FileBytes(io.BytesIO(exif.removeprefix(EXIF_MARK)))).get(ORIENTATION, (0,))
    except EOFError:
        return None
    return value if 1 <= value <= 8 else None


def read_directory(data: FileBytes) -> dict[int, tuple[int, ...]]:
    """Returns {tag: integers} of the first directory of TIFF or BigTIFF data in either byte order."""
    order = _BYTE_ORDERS.get(data.at(0, 2))
    version = order and data.numbers(f"{order}H", 2)[0]
    if version not in _LAYOUTS:
        return {}
    at, offset, counter = (order + layout if isinstance(layout, str) else layout for layout in _LAYOUTS[version])
    entry, offset_bytes = f"{order}HH{2 * offset[1]}", struct.calcsize(offset)
    (position,) = data.numbers(offset, at)
    (count,) = data.numbers(counter, position)
    position += struct.calcsize(counter)
    fields = {}
    for start in range(position, position + struct.calcsize(entry) * min(count, _MOST_ENTRIES), struct.calcsize(entry)):
        tag, kind, length, elsewhere = data.numbers(entry, start)
        if tag in _WANTED and kind in _NUMBERS and 0 < length <= _MOST_NUMBERS:
            layout = f"{order}{length}{_NUMBERS[kind]}"
            is_here = struct.calcsize(layout) <= offset_bytes
            here = start + struct.calcsize(entry) - offset_bytes
            fields.setdefault(tag, data.numbers(layout, here if is_here else elsewhere))
    return fields
