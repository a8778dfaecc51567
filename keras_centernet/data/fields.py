"""What data sets can say about objects and images besides class and box: one schema, and how the values move.

The ending of a field's name says what happens to it when an image is warped or mirrored: `_xy` positions and `_xyxy`
boxes move with the image; `_dxy` vectors are rotated, scaled and mirrored but not shifted; `_xyv` keypoints move, and
mirroring exchanges left and right. All other fields stay unchanged.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from keras_centernet import geometry
from keras_centernet.data.formats.table import FORMATS
from keras_centernet.method.specs import FieldSpec, Tensor
from keras_centernet.tasks import TASKS

# Keys with one row per object in the examples of every data set. All other keys, except fields, describe the image.
OBJECT_KEYS = ("boxes_xyxy", "classes", "is_crowd", "is_difficult", "areas")
# Fields that change the meaning of an object's row; they are read for every task if the data set has them. A hidden
# region stands for objects of its class that were not annotated one by one: detections inside it count neither as right
# nor as wrong.
REGION_FIELDS = {"is_hidden": FieldSpec("bool", record_key="image/object/is_hidden")}


def known_fields() -> dict[str, FieldSpec]:
    """Returns the fields that tasks ask for, the fields that only formats define, and "is_hidden"."""
    specs = (*(row.own_fields for row in FORMATS.values()), *(row.fields for row in TASKS.values()))
    return REGION_FIELDS | {name: spec for fields in specs for name, spec in fields.items()}


def describe(name: str, values: Tensor, of_image: bool = False) -> FieldSpec:
    """Returns the spec of a field with these values (N, ...); a known field keeps its key in records."""
    key = known_fields().get(name, FieldSpec()).record_key
    return FieldSpec(values.dtype.name, tuple(values.shape[1:]), of_image, key)


def closed(spec: FieldSpec, side: int) -> FieldSpec:
    """Returns the spec with `side` in place of the side that is None."""
    return dataclasses.replace(spec, shape=tuple(side if known is None else known for known in spec.shape))


def object_keys(fields: Mapping[str, FieldSpec]) -> tuple[str, ...]:
    """Returns the keys of an example that have one row per object; `fields` are those of its source."""
    return (*OBJECT_KEYS, *(name for name, spec in fields.items() if not spec.of_image))


def moving(fields: Mapping[str, FieldSpec]) -> list[str]:
    """Returns the names of the fields that change when an image is warped or mirrored."""
    return [name for name in fields if _ending(name) in _MOVES]


def move(name: str, values: np.ndarray, matrix: np.ndarray, flip_order: Sequence[int] | None = None) -> np.ndarray:
    """Returns a moving field's values (N, ...), transformed by a (2, 3) matrix, float32; `in_graph.move` for arrays.

    `flip_order` holds K indices: keypoint k of a mirrored image is keypoint flip_order[k]; None: nothing is exchanged.
    """
    return np.float32(_MOVES[_ending(name)](values, matrix, flip_order)).reshape(values.shape)


def _move_keypoints(keypoints_xyv: np.ndarray, matrix: np.ndarray, flip_order: Sequence[int] | None) -> np.ndarray:
    moved_xy = geometry.transform_points(keypoints_xyv[..., :2], matrix)
    moved = np.concatenate([moved_xy, keypoints_xyv[..., 2:]], axis=-1)
    return moved[..., flip_order, :] if flip_order is not None and np.linalg.det(matrix[:, :2]) < 0 else moved


def _ending(name: str) -> str:
    return name.rpartition("_")[2]


# The same endings as in `in_graph`.
_MOVES = {
    "xy": lambda values, matrix, _: geometry.transform_points(values, matrix),
    "xyxy": lambda values, matrix, _: geometry.transform_boxes(values, matrix),
    "dxy": lambda values, matrix, _: geometry.transform_vectors(values, matrix),
    "xyv": _move_keypoints,
}
