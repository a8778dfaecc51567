"""What the first bytes of an image file say: its size, its orientation, and the value of white.

This parser exists because no library reports all of that: OpenCV has no function for it, and Pillow neither knows the
value of white in 16-bit files nor lets its limit on pixels be set for one file. Nothing here decodes, and parsing a
damaged header costs no more than a good one. Offsets are in bytes from the start of the file.
"""

import dataclasses
import struct
import zlib
from typing import BinaryIO

from keras_centernet.data.image_headers import tags
from keras_centernet.data.image_headers.tags import FileBytes

JPEG_START = b"\xff\xd8\xff"
GIF_START = b"GIF8"
PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 200_000_000  # of one image: 600 MB decoded
MOST_PARTS = 4096  # of a header, however many it claims to have
MOST_SCANS = 100  # of a JPEG: progressive ones have about 10, and a scan of 31 bytes can take as long as all pixels
PNG_BITS_AT = 24

# The largest values of the usual bit depths of sensors; a file of 16 bits need not say how many of them it uses.
SENSOR_TOPS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
_JPEG_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, without the other markers in that range
_JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_JPEG_APP1, _JPEG_SCAN = 0xE1, 0xDA
_WEBP_HAS_EXIF = 0x08
_BMP_LENGTHS = (12, 40, 52, 56, 64, 108, 124)  # of the header's versions
_MARK_BYTES, _SEARCHED_BYTES = 16, 1 << 16


@dataclasses.dataclass(frozen=True)
class ImageHeader:
    """What is known of an image before it is decoded.

    Attributes:
        stored_hw: (height, width) in pixels as stored in the file.
        orientation: EXIF orientation, 1 to 8; 1 is upright, and from 5 on height and width are exchanged.
        tops: possible values of white in a file of more than 8 bits; the first one that no pixel value exceeds is
            white. Empty for files of at most 8 bits.
        is_negative: whether 0 is white, in a file of more than 8 bits.
        is_turned: whether OpenCV applies the orientation even if told not to (TIFF).
    """

    stored_hw: tuple[int, int]
    orientation: int = 1
    tops: tuple[int, ...] = ()
    is_negative: bool = False
    is_turned: bool = False

    @property
    def hw(self) -> tuple[int, int]:
        """(height, width) of the upright image, as `read_image` returns it."""
        return self.stored_hw[::-1] if self.orientation >= 5 else self.stored_hw


def parse_header(file: BinaryIO) -> ImageHeader | None:
    """Returns what the header of an open JPEG, PNG, BMP, WebP, GIF or TIFF file says; None for any other file.

    Also None if the header is damaged or has more parts than any writer makes.
    """
    try:
        data = FileBytes(file)
        start = data.at(0, _MARK_BYTES)
        parse = next((parse for mark, parse in _FORMATS.items() if start.startswith(mark)), None)
        header = parse and parse(data)
    except EOFError:
        return None
    return header if header and min(header.stored_hw) > 0 else None


def _parse_jpeg(data: FileBytes) -> ImageHeader | None:
    position, stored_hw, orientation = 2, None, None
    for _ in range(MOST_PARTS):
        mark, marker, length = data.numbers(">BBH", position)
        if mark != 0xFF or marker in (0, 0xFF):
            position = _next_mark(data, position + 1)
            continue
        if marker in _JPEG_WITHOUT_LENGTH:
            position += 2
            continue
        if marker == _JPEG_SCAN:
            return stored_hw and ImageHeader(stored_hw, orientation or 1)
        if marker in _JPEG_SIZES:
            stored_hw = data.numbers(">HH", position + 5)
        elif marker == _JPEG_APP1 and orientation is None and length >= 16:
            segment = data.at(position + 4, length - 2)
            orientation = tags.orientation_in(segment) if segment.startswith(tags.EXIF_MARK) else None
        position += 2 + length
    return None


def _next_mark(data: FileBytes, position: int) -> int:
    """Returns the position of the next 0xFF: decoders skip all other bytes between segments."""
    offset = data.at(position, min(_SEARCHED_BYTES, max(data.size - position, 0))).find(b"\xff")
    if offset < 0:
        raise EOFError
    return position + offset


def _parse_png(data: FileBytes) -> ImageHeader | None:
    _, kind, width, height, bits = data.numbers(">I4sIIB", 8)
    if kind != b"IHDR":
        return None
    position, orientation, tops = 33, None, SENSOR_TOPS if bits > 8 else ()
    for _ in range(MOST_PARTS):
        length, kind = data.numbers(">I4s", position)
        if kind in (b"IDAT", b"IEND"):
            break
        if kind == b"eXIf":
            orientation = tags.orientation_in(data.at(position + 8, length))
        elif kind == b"sBIT" and tops and 0 < length <= 4:
            tops = stated_tops(data.at(position + 8, length))
        position += 12 + length
    else:
        return None
    return ImageHeader((height, width), orientation or _late_orientation(data) or 1, tops)


def stated_tops(used_bits: bytes) -> tuple[int, int]:
    """Returns the `tops` for the content of a PNG's sBIT chunk: the used bits of each channel, with alpha last.

    The standard wants the used bits at the upper end, so that white is 65535; some writers leave them at the lower end.
    """
    colours = used_bits[: len(used_bits) - 1 + len(used_bits) % 2]
    return 2 ** min(max(*colours, 1), 16) - 1, SENSOR_TOPS[-1]


def _late_orientation(data: FileBytes) -> int | None:
    """Returns the orientation in an eXIf chunk after the pixels of a PNG file, near its end; None without one."""
    start = max(data.size - _SEARCHED_BYTES, 0)
    tail = data.at(start, data.size - start)
    position = tail.rfind(b"eXIf")
    if position < 4:
        return None
    length = int.from_bytes(tail[position - 4 : position], "big")
    chunk, check = tail[position : position + 4 + length], tail[position + 4 + length : position + 8 + length]
    return tags.orientation_in(chunk[4:]) if zlib.crc32(chunk).to_bytes(4, "big") == check else None


def _parse_webp(data: FileBytes) -> ImageHeader | None:
    webp, kind, _, body = data.numbers("<4s4sI10s", 8)
    if webp != b"WEBP":
        return None
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return ImageHeader((height & 0x3FFF, width & 0x3FFF))
    if kind == b"VP8L":
        sides = int.from_bytes(body[1:5], "little")
        return ImageHeader(((sides >> 14 & 0x3FFF) + 1, (sides & 0x3FFF) + 1))
    if kind != b"VP8X":
        return None
    width, height = (int.from_bytes(body[start : start + 3], "little") + 1 for start in (4, 7))
    return ImageHeader((height, width), _webp_orientation(data) if body[0] & _WEBP_HAS_EXIF else 1)


def _webp_orientation(data: FileBytes) -> int:
    position = 12
    for _ in range(MOST_PARTS):
        kind, length = data.numbers("<4sI", position)
        if kind == b"EXIF":
            return tags.orientation_in(data.at(position + 8, length)) or 1
        position += 8 + length + length % 2
    return 1


def _parse_gif(data: FileBytes) -> ImageHeader:
    width, height = data.numbers("<HH", 6)
    return ImageHeader((height, width))


def _parse_bmp(data: FileBytes) -> ImageHeader | None:
    (length,) = data.numbers("<I", 14)
    if length not in _BMP_LENGTHS:
        return None
    width, height = data.numbers("<HH" if length == min(_BMP_LENGTHS) else "<ii", 18)
    return ImageHeader((abs(height), width))  # a negative height means that the rows run from top to bottom


def _parse_tiff(data: FileBytes) -> ImageHeader | None:
    fields = tags.read_directory(data)
    if tags.WIDTH not in fields or tags.HEIGHT not in fields:
        return None
    orientation = fields.get(tags.ORIENTATION, (1,))[0]
    bits = max(fields.get(tags.BITS, (1,)))
    stated = fields.get(tags.MOST_POSSIBLE) or fields.get(tags.MOST_USED) or (0,)
    return ImageHeader(
        stored_hw=(fields[tags.HEIGHT][0], fields[tags.WIDTH][0]),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        tops=_tiff_tops(bits, max(stated)) if bits > 8 else (),
        is_negative=bits > 8 and fields.get(tags.PHOTOMETRIC, (1,))[0] == 0,
        is_turned=True,
    )


def _tiff_tops(bits: int, stated: int) -> tuple[int, ...]:
    # OpenCV moves packed values of 10, 12 or 14 bits to the upper end of 16.
    shift = max(16 - bits, 0)
    usual = SENSOR_TOPS if bits >= 16 else (2**bits - 1 << shift,)
    # 65535 is the standard's default, so a file that states it says nothing new.
    return (stated << shift, *usual) if 0 < stated < 2 ** min(bits, 16) - 1 else usual


_FORMATS = {
    JPEG_START: _parse_jpeg,
    PNG_START: _parse_png,
    b"RIFF": _parse_webp,
    b"GIF87a": _parse_gif,
    b"GIF89a": _parse_gif,
    b"BM": _parse_bmp,
    b"II*\0": _parse_tiff,
    b"MM\0*": _parse_tiff,
    b"II+\0": _parse_tiff,
    b"MM\0+": _parse_tiff,
}
