"""Reads image headers: what the first bytes of an image file say, without decoding it."""

from keras_centernet.data.image_headers.parsing import (
    GIF_START,
    JPEG_START,
    MAX_PIXELS,
    MOST_PARTS,
    MOST_SCANS,
    PNG_BITS_AT,
    PNG_START,
    SENSOR_TOPS,
    ImageHeader,
    parse_header,
)
