"""The keys of records: those of the TensorFlow Object Detection API, and ours for further fields.

Writing and reading share them. Boxes and the API's keypoints are fractions of the image's size; class labels are at
least 1. Fields that the API has no name for use their `FieldSpec.record_key`, or else a key made from their name.
"""

import tensorflow as tf

from keras_centernet.errors import UserError
from keras_centernet.method.specs import FieldSpec

ENCODED, FORMAT = "image/encoded", "image/format"
HEIGHT, WIDTH = "image/height", "image/width"
FILENAME, SOURCE_ID, SHA256 = "image/filename", "image/source_id", "image/key/sha256"
CORNERS = tuple(f"image/object/bbox/{name}" for name in ("xmin", "ymin", "xmax", "ymax"))
LABEL, TEXT = "image/object/class/label", "image/object/class/text"
IS_CROWD, IS_DIFFICULT, AREA = "image/object/is_crowd", "image/object/difficult", "image/object/area"
OF_EVERY_RECORD = frozenset(
    {ENCODED, FORMAT, HEIGHT, WIDTH, FILENAME, SOURCE_ID, SHA256, *CORNERS, LABEL, TEXT, IS_CROWD, IS_DIFFICULT, AREA}
)

# Keypoints lie one after the other, K of each object; "num" counts the marked ones of each object.
KEYPOINTS = "image/object/keypoint"
KEYPOINT_X, KEYPOINT_Y, KEYPOINT_VISIBILITY = (f"{KEYPOINTS}/{name}" for name in ("x", "y", "visibility"))
KEYPOINT_TEXT, KEYPOINT_COUNT = f"{KEYPOINTS}/text", f"{KEYPOINTS}/num"


def key_of(name: str, spec: FieldSpec) -> str:
    """Returns the key under which a record holds a field."""
    return spec.record_key or f"image/{'' if spec.of_image else 'object/'}{name}"


def are_keypoints(spec: FieldSpec) -> bool:
    """Whether a field is the API's keypoints, which have several keys."""
    return spec.record_key == KEYPOINTS


def stored_type(name: str, spec: FieldSpec) -> tf.DType:
    """Returns the type in which records hold a field: float32, int64 or string; raises if values would be lost."""
    dtype = tf.as_dtype(spec.dtype)
    if dtype in (tf.float32, tf.float16, tf.bfloat16):
        return tf.float32
    if dtype == tf.bool or (dtype.is_integer and dtype != tf.uint64):
        return tf.int64
    if dtype == tf.string:
        return tf.string
    expected = "float32, whole numbers of up to 64 bits, bool or strings, which records keep without loss"
    raise UserError(f"field {name}: expected {expected}, got {dtype.name}.")
