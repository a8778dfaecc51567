"""The size that a file promises, for kinds that only OpenCV reads: portable pixmaps, JPEG 2000, AVIF.

Everything else about such files is found by decoding. The size is read first, so that huge files are not decoded.
"""

import re
import struct
from typing import BinaryIO

_SEARCHED_BYTES = 1 << 16
_PIXMAP = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s")
_CODESTREAM = re.compile(rb"\xff\x4f\xff\x51.{4}(.{16})", re.DOTALL)  # JPEG 2000: right, lower, left, upper
_JP2_SIZE = re.compile(rb"ihdr(.{8})", re.DOTALL)
_AVIF_SIZE = re.compile(rb"ispe.{4}(.{8})", re.DOTALL)


def parse_other_size(file: BinaryIO) -> tuple[int, int] | None:
    """Returns the largest (height, width) that an open file promises; None if it is of none of these kinds."""
    file.seek(0)
    start = file.read(_SEARCHED_BYTES)
    if pixmap := _PIXMAP.match(start):
        return int(pixmap[2]), int(pixmap[1])
    if start[4:8] == b"ftyp":
        sides = [struct.unpack(">II", size[1]) for size in _AVIF_SIZE.finditer(start)]
        return max(((height, width) for width, height in sides), key=lambda hw: hw[0] * hw[1], default=None)
    if start[4:8] == b"jP  " or start.startswith(b"\xff\x4f\xff\x51"):
        sides = [struct.unpack(">II", size[1]) for size in _JP2_SIZE.finditer(start)]
        edges = [struct.unpack(">4I", edge[1]) for edge in _CODESTREAM.finditer(start)]
        sides += [(lower - upper, right - left) for right, lower, left, upper in edges]
        return max(sides, key=lambda hw: hw[0] * hw[1], default=None)
    return None
