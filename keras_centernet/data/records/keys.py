"""What records call the things that an example knows: the TensorFlow Object Detection API's keys, and ours for 3D.

One table for writing and reading. Boxes and joints are fractions of the image's size; class labels count
from 1. The API has no names for 3D boxes of one camera; those under image/object/3d/ are this package's.
"""

import numpy as np

from keras_centernet.data.formats.kitti import COLUMNS

ENCODED, FORMAT = "image/encoded", "image/format"
HEIGHT, WIDTH = "image/height", "image/width"
FILENAME, SOURCE_ID, SHA256 = "image/filename", "image/source_id", "image/key/sha256"
CORNERS = tuple(f"image/object/bbox/{name}" for name in ("xmin", "ymin", "xmax", "ymax"))
LABEL, TEXT = "image/object/class/label", "image/object/class/text"
IS_CROWD, IS_DIFFICULT, AREA = "image/object/is_crowd", "image/object/difficult", "image/object/area"

# Joints lie one after the other, K of each object; "num" counts the marked ones of each object.
JOINTS = "keypoints_xyv"
JOINT_X, JOINT_Y = "image/object/keypoint/x", "image/object/keypoint/y"
JOINT_VISIBILITY, JOINT_TEXT = "image/object/keypoint/visibility", "image/object/keypoint/text"
JOINT_COUNT = "image/object/keypoint/num"

# Field of an example (see `source.py`) -> key, type and shape of one object's or image's values.
_FIELD_KEYS = {
    "locations_xyz": "location",
    "dimensions_hwl": "dimensions",
    "alphas": "alpha",
    "rotations_y": "rotation_y",
    "truncations": "truncation",
    "occlusions": "occlusion",
    "kitti_types": "kitti_type",
}
OBJECT_FIELDS = {name: (f"image/object/3d/{key}", *COLUMNS[name]) for name, key in _FIELD_KEYS.items()}
IMAGE_FIELDS = {"calibration": ("image/camera/calibration", np.float32, (3, 4))}
FIELDS = {**OBJECT_FIELDS, **IMAGE_FIELDS}
