"""The box formats, under Keras' names.

`keras.utils.bounding_boxes.convert_format` is not used, because it computes on the backend's device; labels stay on the
host.
"""

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.method.specs import Tensor

_RELATIVE = "rel_"
_YX_TO_XY = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
_XYWH_TO_XYXY = [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]]
_CENTER_TO_XYXY = [[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]]
# A row of four numbers times this matrix is xyxy.
_TO_XYXY = {"xyxy": np.eye(4), "yxyx": _YX_TO_XY, "xywh": _XYWH_TO_XYXY, "center_xywh": _CENTER_TO_XYXY}

BOX_FORMATS = (*_TO_XYXY, *(_RELATIVE + name for name in _TO_XYXY))
DEFAULT_FORMAT = BOX_FORMATS[0]
# What others call a format -> its name here.
_OF_OTHERS = {"coco": "xywh", "voc": "xyxy", "pascal_voc": "xyxy", "yolo": "rel_center_xywh"}


def check_format(box_format: str | None) -> str:
    """Returns the name of a format in lower case; None means "xyxy". As in Keras, case is ignored.

    Raises:
        UserError: there is no format of that name.
    """
    name = DEFAULT_FORMAT if box_format is None else str(box_format).lower()
    if name not in BOX_FORMATS:
        advice = f"; {name} boxes are {_OF_OTHERS[name]!r}" if name in _OF_OTHERS else ""
        raise UserError(f"bounding_box_format: expected one of {', '.join(BOX_FORMATS)}, got {box_format!r}{advice}.")
    return name


def is_relative(box_format: str) -> bool:
    """Returns whether boxes of that format are fractions of the image's sides."""
    return box_format.startswith(_RELATIVE)


def to_xyxy(boxes: Tensor, box_format: str, sides_wh: Tensor | None = None) -> Tensor:
    """Returns boxes (..., N, 4) float32 as xyxy; relative boxes become pixels, or stay fractions without `sides_wh`.

    Args:
        boxes: (..., N, 4) float32, an array or a TensorFlow tensor.
        box_format: one of `BOX_FORMATS`.
        sides_wh: (..., N or 1, 2) float32, width and height of the boxes' images; used for relative formats only.
    """
    boxes = boxes @ np.asarray(_TO_XYXY[box_format.removeprefix(_RELATIVE)], np.float32)
    if sides_wh is None or not is_relative(box_format):
        return boxes
    return boxes * (sides_wh @ np.float32([[1, 0, 1, 0], [0, 1, 0, 1]]))
