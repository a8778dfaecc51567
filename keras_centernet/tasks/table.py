"""The table of tasks, and how tasks are built from it or from values. A new task is one file and one row of `TASKS`."""

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping, Sequence

from keras_centernet.errors import UserError, look_up
from keras_centernet.method.losses import LOSSES
from keras_centernet.method.specs import FieldSpec, HeadSpec, Task
from keras_centernet.tasks.classes import COCO_CLASSES, KITTI_CLASSES, class_names
from keras_centernet.tasks.detection import build_detection
from keras_centernet.tasks.detection_3d import FIELDS_3D, build_detection_3d
from keras_centernet.tasks.pose import POSE_FIELDS, build_pose

OPTIONS_OF_ALL = ("nms",)  # attributes of `Task` that are options of every task


@dataclasses.dataclass(frozen=True)
class TaskRow:
    """One row of the table of tasks.

    Attributes:
        build: function (classes, **options) -> `Task`.
        classes: the default ones.
        fields: {name: what a data set must know about every object besides class and box}, see `data.source`.
        augmentation: default of `load_dataset`.
        flip: default probability of mirroring.
        color: whether colours are augmented by default.
        max_objects: default padding.
        needs_camera: whether objects have positions relative to the camera, which images that are turned upside down or
            mixed contradict.
        hub_name: the task's name on model hubs.
    """

    build: Callable
    classes: tuple[str, ...]
    fields: Mapping[str, FieldSpec] = dataclasses.field(default_factory=dict)
    augmentation: str = "crop"
    flip: float = 0.5
    color: bool = True
    max_objects: int = 128
    needs_camera: bool = False
    hub_name: str = "object-detection"


TASKS = {
    "detection": TaskRow(build_detection, COCO_CLASSES),
    # As published: half of the images zoomed, no mirroring, no colours, 50 slots (which its losses divide by).
    "detection_3d": TaskRow(
        build_detection_3d,
        KITTI_CLASSES,
        fields=FIELDS_3D,
        augmentation="zoom_half",
        flip=0.0,
        color=False,
        max_objects=50,
        needs_camera=True,
    ),
    "pose": TaskRow(build_pose, ("person",), fields=POSE_FIELDS, max_objects=32, hub_name="keypoint-detection"),
}


def find_task(
    task: str | Task | Callable,
    classes: Sequence[str] | None = None,
    num_classes: int | None = None,
    options: Mapping | None = None,
) -> Task:
    """Returns the `Task` for what a user passed.

    Args:
        task: key of `TASKS`; a function (classes, **options) -> `Task`; or a `Task`, which has its classes and options.
        classes: names of the classes.
        num_classes: their number, if they have no names. Without both: the default classes of the table's row.
        options: further arguments of the task's builder.

    Raises:
        UserError: an unknown task or option, or contradictory classes.
    """
    if isinstance(task, Task):
        if options or class_names(classes, num_classes, task.classes) != task.classes:
            raise UserError(
                f"task: a Task has its own options and classes, {', '.join(task.classes)}; expected none beside it. "
                "Give them where it is built."
            )
        return task
    if callable(task):
        built = _build(getattr(task, "__name__", "task"), task, class_names(classes, num_classes, ("0",)), options)
        return dataclasses.replace(built, builder=task, options=dict(options or {}))
    row = look_up(TASKS, task, "task")
    return _build(task, row.build, class_names(classes, num_classes, row.classes), options)


def task_row(task: str | Task | Callable) -> TaskRow:
    """Returns the row of a task, found by its key, its builder or its name; a task without one gets a row of defaults.

    Args:
        task: key of `TASKS`; a function (classes, **options) -> `Task`; or a `Task`.

    Raises:
        UserError: anything else.
    """
    if not isinstance(task, Task) and not callable(task):
        return look_up(TASKS, task, "task")
    named, build = (TASKS.get(task.name), task.builder) if isinstance(task, Task) else (None, task)
    built = next((row for row in TASKS.values() if row.build is build), None)
    return built or named or TaskRow(build or (lambda classes: task), ())


def task_name(task: str | Task | Callable) -> str:
    """Returns the key or name of a task, or the name of the function that builds it."""
    return task if isinstance(task, str) else getattr(task, "name", getattr(task, "__name__", "task"))


def _build(name: str, build: Callable, classes: tuple[str, ...], options: Mapping | None) -> Task:
    """Builds a task; an unknown or invalid option raises a UserError."""
    of_all = {key: value for key, value in (options or {}).items() if key in OPTIONS_OF_ALL}
    own = {key: value for key, value in (options or {}).items() if key not in of_all}
    known = ", ".join([*list(inspect.signature(build).parameters)[1:], *OPTIONS_OF_ALL])
    try:
        inspect.signature(build).bind(classes, **own)
    except TypeError as error:
        raise UserError(f"task_options of {name}: {error}. Its options are {known}.") from error
    try:
        task = build(classes, **own)
        return dataclasses.replace(task, **of_all) if of_all else task
    except ValueError as error:
        raise UserError(f"task_options of {name}: {error} Its options are {known}.") from error


def with_losses(task: Task, head_losses: Mapping | None, loss_weights: Mapping[str, float] | None) -> Task:
    """Returns the task with other losses or weights of some heads, see `CenterNet`.

    Raises:
        UserError: an unknown head or loss, a loss that does not fit the head, or a weight that is not a number of at
            least zero.
    """
    heads = {head.name: head for head in task.heads}
    for name, loss in (head_losses or {}).items():
        head = look_up(heads, name, "head of head_losses")
        heads[name] = dataclasses.replace(head, **_loss_of(task, head, loss))
    for name, weight in (loss_weights or {}).items():
        head = look_up(heads, name, "head of loss_weights")
        if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise UserError(f"loss_weights of {name}: expected a number of at least zero, got {weight!r}.")
        heads[name] = dataclasses.replace(head, weight=float(weight))
    return dataclasses.replace(task, heads=tuple(heads.values())) if head_losses or loss_weights else task


def _loss_of(task: Task, head: HeadSpec, loss) -> dict:
    if not isinstance(loss, str):
        return {"loss": loss}
    is_map, is_size = head.read_at == "everywhere", head.box_center in [other.name for other in task.heads]
    fitting = {name: row for name, row in LOSSES.items() if row.of_maps == is_map and (is_size or not row.of_boxes)}
    row = look_up(LOSSES, loss, "loss")
    if loss not in fitting:
        raise UserError(f"head_losses of {head.name}: expected one of {', '.join(fitting)}, got {loss!r}.")
    return {"loss": row.compute, "loss_reads": {"offset": head.box_center} if row.of_boxes else {}}
