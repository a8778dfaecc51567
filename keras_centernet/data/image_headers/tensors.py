"""What the first bytes of an image file say, as TensorFlow operations: `parsing` for graphs.

All loops over the parts of a file are limited, however many parts the file has.
"""

import tensorflow as tf

from keras_centernet.data.image_headers.parsing import MOST_SCANS

EXIF_BYTES = 1 << 17  # the orientation is in one of the first segments of a JPEG, of at most 64 KiB each
_ORIENTATION_TAG = 0x0112
_IFD_ENTRY_BYTES = 12
_MOST_ENTRIES = 512
_MOST_SEGMENTS = 64  # before the EXIF segment, which cameras write first or second
_START_OF_SCAN, _APP1 = 0xDA, 0xE1
_SIDES_BYTES = 30  # PNG, BMP and WebP state their sizes in these first bytes
_BMP_BITS_AT, _WEBP_FLAGS_AT, _WEBP_LOSSLESS_FLAGS_AT = 28, 20, 24
_WEBP_HAS_FRAMES, _WEBP_HAS_ALPHA = 0x02, 0x10
_GIF_TABLE_AT, _GIF_EXTENSION, _GIF_FRAME, _GIF_END = 10, 0x21, 0x2C, b";"
_MOST_BLOCKS, _BLOCKS_AT_ONCE = 256, 4096  # of a GIF: runs of blocks of equal size; blocks of a run


def count_pixels(data: tf.Tensor) -> tf.Tensor:
    """Returns the int64 number of pixels that the header of an encoded image promises; 0 if it is not understood.

    Raises in the graph if the header of a JPEG is damaged, or if no frame is found in a GIF.
    """
    start = Bytes(tf.strings.substr(data, 0, _SIDES_BYTES))
    by_mark = [
        (start.begins(b"\xff\xd8\xff"), lambda: tf.image.extract_jpeg_shape(data, tf.int64)[:2]),
        (start.begins(b"\x89PNG"), lambda: start.numbers((16, 20), 4)),
        (start.begins(b"BM"), lambda: tf.abs(start.numbers((18, 22), 4, is_little=True))),
        (start.begins(b"GIF8"), lambda: first_gif_frame(data)[1]),
        (start.begins(b"RIFF"), lambda: _webp_sides(start)),
    ]
    sides = tf.case(by_mark, lambda: tf.zeros(2, tf.int64), strict=False)
    return tf.reduce_prod(tf.ensure_shape(tf.cast(sides, tf.int64), (2,)))


def has_many_scans(data: tf.Tensor) -> tf.Tensor:
    """Returns whether a JPEG has more than `MOST_SCANS`; in compressed data 0xFF 0xDA can only start a scan."""
    # Splitting takes a tenth of the time of comparing numbers, and makes no more pieces than are needed.
    return tf.size(tf.strings.split(data, b"\xff\xda", maxsplit=MOST_SCANS + 1)) > MOST_SCANS + 1


def stores_alpha(data: tf.Tensor) -> tf.Tensor:
    """Returns whether a BMP or WebP has four channels; TensorFlow then decodes it only with channels=4."""
    start = Bytes(tf.strings.substr(data, 0, _SIDES_BYTES))
    is_deep_bmp = start.begins(b"BM") & (start.at(_BMP_BITS_AT) == 32)
    flags = start.at(tf.where(start.begins(b"VP8X", 12), _WEBP_FLAGS_AT, _WEBP_LOSSLESS_FLAGS_AT))
    is_flagged = tf.bitwise.bitwise_and(flags, _WEBP_HAS_ALPHA) > 0
    return is_deep_bmp | (start.begins(b"RIFF") & is_flagged & ~start.begins(b"VP8 ", 12))


def is_animated_webp(data: tf.Tensor) -> tf.Tensor:
    """Returns whether this is an animated WebP: TensorFlow 2.21 writes beyond its buffer when it decodes one."""
    start = Bytes(tf.strings.substr(data, 0, _SIDES_BYTES))
    has_frames = tf.bitwise.bitwise_and(start.at(_WEBP_FLAGS_AT), _WEBP_HAS_FRAMES) > 0
    return start.begins(b"RIFF") & start.begins(b"VP8X", 12) & has_frames


def first_gif_frame(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (the GIF cut off after its first frame, (2,) int64 width and height of that frame).

    TensorFlow would decode all frames, and each can have any size. Raises in the graph if no frame is found, or only
    after more blocks than any writer makes.
    """
    values = Bytes(data)

    def is_extension(position, blocks):
        return (values.at(position) == _GIF_EXTENSION) & (blocks < _MOST_BLOCKS)

    def skip(position, blocks):
        return _skip_gif_blocks(values, position + 2, blocks + 1)

    start = _GIF_TABLE_AT + 3 + _table_bytes(values.at(_GIF_TABLE_AT))
    frame, blocks = tf.while_loop(is_extension, skip, [start, tf.constant(0)])
    end, blocks = _skip_gif_blocks(values, frame + 11 + _table_bytes(values.at(frame + 9)), blocks)
    is_found = (values.at(frame) == _GIF_FRAME) & (blocks < _MOST_BLOCKS)
    with tf.control_dependencies([tf.debugging.Assert(is_found, ["no frame in a GIF"])]):
        sides = values.numbers([frame + 5, frame + 7], 2, is_little=True)
        return tf.strings.join([tf.strings.substr(data, 0, end), _GIF_END]), sides


def read_orientation(data: tf.Tensor) -> tf.Tensor:
    """Returns the int32 EXIF orientation of a JPEG in 1..8; 1 if it states none."""
    data = Bytes(tf.strings.substr(data, 0, EXIF_BYTES))
    start = _find_exif(data)
    is_little = data.at(start) == ord("I")
    directory = start + data.number(start + 4, 4, is_little)
    count = tf.clip_by_value(data.number(directory, 2, is_little), 0, _MOST_ENTRIES)
    entries = directory + 2 + _IFD_ENTRY_BYTES * tf.range(count)
    values = data.number(entries + 8, 2, is_little)
    wanted = (data.number(entries, 2, is_little) == _ORIENTATION_TAG) & (values >= 1) & (values <= 8)
    return tf.reduce_max(tf.concat([[1], tf.boolean_mask(values, wanted)], axis=0))


def _find_exif(data: "Bytes") -> tf.Tensor:
    """Returns where the TIFF header of the Exif segment starts, or the size of the data if there is no such segment."""

    def is_exif(position):
        return data.begins(b"Exif\0\0", position + 4) & (data.at(position + 1) == _APP1)

    def is_other_segment(position, segments):
        is_segment = (data.at(position) == 0xFF) & (data.at(position + 1) != _START_OF_SCAN)
        return is_segment & (position < data.size) & (segments < _MOST_SEGMENTS) & ~is_exif(position)

    def skip(position, segments):
        return position + 2 + data.number(position + 2, 2), segments + 1

    position, _ = tf.while_loop(is_other_segment, skip, [tf.constant(2), tf.constant(0)])
    return tf.where(is_exif(position), position + 10, data.size)


def _webp_sides(start: "Bytes") -> tf.Tensor:
    def lossless():
        packed = start.numbers((21,), 4, is_little=True)[0]
        return tf.stack([packed % 2**14, packed // 2**14 % 2**14]) + 1

    def lossy():
        return start.numbers((26, 28), 2, is_little=True) % 2**14

    def extended():
        return start.numbers((24, 27), 3, is_little=True) + 1

    by_kind = [(start.begins(kind, 12), sides) for kind, sides in ((b"VP8L", lossless), (b"VP8X", extended))]
    return tf.case(by_kind, lossy, strict=False)


def _table_bytes(flags: tf.Tensor) -> tf.Tensor:
    """Returns the length in bytes of the colour table that a GIF's flags announce; 0 without one."""
    return tf.where(flags >= 0x80, 3 * 2 ** (flags % 8 + 1), 0)


def _skip_gif_blocks(values: "Bytes", position: tf.Tensor, blocks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (the position behind the blocks that start there, `blocks` plus their number); a run counts once.

    A run is a sequence of blocks of equal size.
    """

    def is_block(position, blocks):
        return (values.at(position) > 0) & (blocks < _MOST_BLOCKS)

    def skip(position, blocks):
        step = values.at(position) + 1
        sizes = values.every(position, step, _BLOCKS_AT_ONCE)
        is_other = tf.concat([sizes + 1 != step, [True]], axis=0)
        return position + step * tf.argmax(is_other, output_type=tf.int32), blocks + 1

    position, blocks = tf.while_loop(is_block, skip, [position, blocks])
    return position + 1, blocks


class Bytes:
    """The bytes of a string as numbers, with zeros beyond its end."""

    def __init__(self, data: tf.Tensor):
        values = tf.io.decode_raw(data, tf.uint8)
        self.size = tf.size(values)
        self._values = tf.pad(values, [[0, 1]])

    def at(self, position: tf.Tensor) -> tf.Tensor:
        """Returns the int32 bytes at int32 positions of any shape."""
        is_inside = (position >= 0) & (position < self.size)
        return tf.cast(tf.gather(self._values, tf.where(is_inside, position, self.size)), tf.int32)

    def every(self, position: tf.Tensor, step: tf.Tensor, count: int) -> tf.Tensor:
        """Returns every step-th byte from a position inside the string on, int32, at most `count` of them."""
        return tf.cast(self._values[position : self.size][: step * count : step], tf.int32)

    def number(self, position: tf.Tensor, length: int, is_little=False) -> tf.Tensor:
        """Returns the int32 numbers of `length` bytes at the positions; 4-byte numbers of 2**31 or more wrap around."""
        digits = [self.at(position + i) for i in range(length)]
        little = sum(digit * 256**i for i, digit in enumerate(digits))
        big = sum(digit * 256**i for i, digit in enumerate(reversed(digits)))
        return tf.where(is_little, little, big)

    def numbers(self, positions, length: int, is_little: bool = False) -> tf.Tensor:
        """Returns the numbers of `length` bytes at a list of positions, (N,) int64; 4-byte numbers are signed."""
        return tf.cast(self.number(tf.stack(positions), length, is_little), tf.int64)

    def begins(self, mark: bytes, position=0) -> tf.Tensor:
        """Returns whether the bytes from a position on equal `mark`."""
        return tf.reduce_all(self.at(position + tf.range(len(mark))) == list(mark))
