"""Encoded images -> pixels, as TensorFlow operations that a server runs: `data.images` for graphs."""

import tensorflow as tf

EXIF_BYTES = 1 << 17  # the orientation stands in the first segments of a file, of at most 64 KiB each
_ORIENTATION_TAG = 0x0112
_IFD_ENTRY_BYTES = 12
_MOST_ENTRIES = 512
_START_OF_SCAN, _APP1 = 0xDA, 0xE1


def decode_encoded_image(data: tf.Tensor) -> tf.Tensor:
    """Returns the (H, W, 3) uint8 RGB image of one string: JPEG, PNG, BMP, WebP or the first frame of a GIF.

    Grayscale is repeated to three channels, alpha is dropped, the EXIF orientation of a JPEG is applied: the same
    pixels as `data.images.decode_image`, but for CMYK JPEGs (other conversion), BMPs with a palette (TensorFlow
    does not read the palette), PNGs and WebPs with an orientation (not applied) and 16-bit PNGs (the lower byte is
    dropped, whatever the image uses of it).
    """
    # The default inverse transform of TensorFlow is the fast one, which is up to 10 levels off.
    return tf.cond(
        tf.io.is_jpeg(data),
        lambda: turn_upright(tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE"), read_orientation(data)),
        lambda: tf.ensure_shape(tf.io.decode_image(data, 3, expand_animations=False), (None, None, 3)),
    )


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Returns the (H, W, 3) image as it is to be seen; `orientation` is EXIF's, 1 to 8."""

    def change_if(orientations, image, change):
        return tf.cond(tf.reduce_any(orientation == orientations), lambda: change(image), lambda: image)

    image = change_if([5, 6, 7, 8], image, lambda image: tf.transpose(image, (1, 0, 2)))
    image = change_if([2, 3, 6, 7], image, lambda image: tf.reverse(image, [1]))
    return change_if([3, 4, 7, 8], image, lambda image: tf.reverse(image, [0]))


def read_orientation(data: tf.Tensor) -> tf.Tensor:
    """Returns the int32 EXIF orientation of a JPEG in 1..8; 1 where it says nothing."""
    data = _Bytes(data)
    start = _find_exif(data)
    is_little = data.at(start) == ord("I")
    directory = start + data.number(start + 4, 4, is_little)
    count = tf.clip_by_value(data.number(directory, 2, is_little), 0, _MOST_ENTRIES)
    entries = directory + 2 + _IFD_ENTRY_BYTES * tf.range(count)
    values = data.number(entries + 8, 2, is_little)
    wanted = (data.number(entries, 2, is_little) == _ORIENTATION_TAG) & (values >= 1) & (values <= 8)
    return tf.reduce_max(tf.concat([[1], tf.boolean_mask(values, wanted)], axis=0))


def _find_exif(data: "_Bytes") -> tf.Tensor:
    """Returns where the TIFF header of the Exif segment starts; the end of the data where there is none."""

    def is_exif(position):
        mark = [ord(letter) for letter in "Exif\0\0"]
        is_marked = tf.reduce_all(data.at(position + 4 + tf.range(len(mark))) == mark)
        return is_marked & (data.at(position + 1) == _APP1)

    def is_other_segment(position):
        is_segment = (data.at(position) == 0xFF) & (data.at(position + 1) != _START_OF_SCAN)
        return is_segment & (position < data.size) & ~is_exif(position)

    def skip(position):
        return (position + 2 + data.number(position + 2, 2),)

    (position,) = tf.while_loop(is_other_segment, skip, [tf.constant(2)])
    return tf.where(is_exif(position), position + 10, data.size)


class _Bytes:
    """The first bytes of a string as numbers, with zeros beyond its end."""

    def __init__(self, data: tf.Tensor):
        values = tf.io.decode_raw(tf.strings.substr(data, 0, EXIF_BYTES), tf.uint8)
        self.size = tf.size(values)
        self._values = tf.pad(values, [[0, 1]])

    def at(self, position: tf.Tensor) -> tf.Tensor:
        """Returns the bytes at int32 positions of any shape."""
        is_inside = (position >= 0) & (position < self.size)
        return tf.cast(tf.gather(self._values, tf.where(is_inside, position, self.size)), tf.int32)

    def number(self, position: tf.Tensor, length: int, is_little=False) -> tf.Tensor:
        """Returns the unsigned numbers of `length` bytes at the positions."""
        digits = [self.at(position + i) for i in range(length)]
        little = sum(digit * 256**i for i, digit in enumerate(digits))
        big = sum(digit * 256**i for i, digit in enumerate(reversed(digits)))
        return tf.where(is_little, little, big)
