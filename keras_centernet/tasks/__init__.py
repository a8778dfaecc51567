"""The tasks: what the paper finds at a point. A new task is a file here and a line in `TASKS`."""

import dataclasses
from collections.abc import Callable, Mapping

from keras_centernet.method.specs import FieldSpec
from keras_centernet.tasks.classes import COCO_CLASSES, KITTI_CLASSES
from keras_centernet.tasks.detection import build_detection
from keras_centernet.tasks.detection_3d import FIELDS_3D, build_detection_3d
from keras_centernet.tasks.pose import POSE_FIELDS, build_pose


@dataclasses.dataclass(frozen=True)
class TaskRow:
    """One row of the table of tasks.

    Attributes:
        build: function (classes, **options) -> `Task`.
        classes: the usual ones.
        fields: what a data set must know of every object besides class and box, see `data.source`.
        augmentation: usual one of `load_dataset`.
        flip: usual probability of mirroring.
        color: whether colours are usually augmented.
        max_objects: usual padding.
    """

    build: Callable
    classes: tuple[str, ...]
    fields: Mapping[str, FieldSpec] = dataclasses.field(default_factory=dict)
    augmentation: str = "crop"
    flip: float = 0.5
    color: bool = True
    max_objects: int = 128


TASKS = {
    "detection": TaskRow(build_detection, COCO_CLASSES),
    # As published: half of the pictures zoomed, no mirroring, no colours, 50 slots (which its losses divide by).
    "detection_3d": TaskRow(
        build_detection_3d,
        KITTI_CLASSES,
        fields=FIELDS_3D,
        augmentation="zoom_half",
        flip=0.0,
        color=False,
        max_objects=50,
    ),
    "pose": TaskRow(build_pose, ("person",), fields=POSE_FIELDS, max_objects=32),
}
