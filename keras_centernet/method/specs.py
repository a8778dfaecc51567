"""The two words of the mechanism: a task is a tuple of heads, and a head says where it is read."""

import dataclasses
from collections.abc import Callable
from typing import Any

Tensor = Any  # a tensor of Keras' backend, a symbolic one, or a NumPy array; shapes stand in the docstrings
READ_AT = ("everywhere", "centers", "keypoints")


def keep(value):
    """Returns its argument: the placing of tasks that only need boxes, the unmirroring of what has no sides."""
    return value


@dataclasses.dataclass(frozen=True)
class FieldSpec:
    """What a data set may know of an object (or of an image) besides class and box.

    How a field moves when an image is warped or mirrored follows from the end of its name, see `geometry`.

    Attributes:
        dtype: of the values, "float32" or "int32".
        shape: of one object's (or image's) value; None is an open side, such as the number of keypoints.
        of_image: whether there is one value per image instead of one per object.
        record_key: the field's key in TFRecord files; "": made of its name.
    """

    dtype: str = "float32"
    shape: tuple[int | None, ...] = ()
    of_image: bool = False
    record_key: str = ""


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """One output map of the network and everything that belongs to it.

    Attributes:
        name: the map's name in the network's output, in the losses and in the history.
        channels: depth of the map.
        read_at: "everywhere" (the target is a whole map, decoding looks for its peaks), "centers"
            (the target is one row per object, compared and decoded at `center_index`) or "keypoints"
            (one row per joint, compared at `keypoint_index`, decoded at the peaks of the second map that
            is read everywhere).
        encode: function of placed objects (see `targets.place_objects`) -> target tensor, or (target, mask)
            where other rows count than the usual ones.
        loss: function -> (total, count) of a prediction, a target and, unless read everywhere, a mask.
        weight: factor of this head's loss in the sum.
        bias: initial bias of the last convolution.
        unmirror: function of the map of a mirrored picture, turned back left to right -> what the picture's own
            map should be; the flip test averages the two. None: it reads the picture's own map alone.
        to_map: function of the head's target -> what a perfect map holds there: decoding makes the target of it.
        published_name: of the head in the authors' checkpoints; empty where they have none.
    """

    name: str
    channels: int
    read_at: str
    encode: Callable
    loss: Callable
    weight: float = 1.0
    bias: float = 0.0
    unmirror: Callable | None = None
    to_map: Callable = keep
    published_name: str = ""

    def __post_init__(self):
        if self.read_at not in READ_AT:
            raise ValueError(f"HeadSpec {self.name}: read_at must be one of {READ_AT}, got {self.read_at!r}.")


def nothing_more(rows: dict, calibration=None) -> dict:
    """Returns no extras: the finish of tasks whose detections are boxes."""
    return {}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network is trained to find: its heads and how their readings become detections.

    Attributes:
        name: the task's key in `TASKS`.
        classes: names of the classes, in channel order of the heatmap.
        heads: the output maps; the first one is the centre heatmap.
        assemble: function of {head name: (B, K, channels) readings, "cells_xy": (B, K, 2), ...} (see
            `decode`) -> dict of detection tensors; at least "boxes_xyxy". Names that end in _xy or _xyxy
            are places, in cells of the map, and are moved to other frames with the boxes.
        place: function of placed objects -> the same with what only this task needs, such as
            "keypoint_index" and "keypoint_mask" of heads that are read at keypoints.
        finish: function (rows, calibration) -> extras of `Detections`, on the host: rows are one image's
            decoded arrays (N, ...), places in its original pixels.
        paint: function (image, detections, **options) -> picture of what was found; None: boxes.
        flip_and_scale: whether tests with mirrored and scaled pictures make sense; not where distances are measured.
        finish_in_graph: function (rows, calibration) -> the extras of `finish` as tensors, for graphs that leave the
            house: rows are decoded tensors (B, N, ...), places in original pixels, calibration is (B, 3, 4) float32.
            None: the task needs no camera.
    """

    name: str
    classes: tuple[str, ...]
    heads: tuple[HeadSpec, ...]
    assemble: Callable
    place: Callable = keep
    finish: Callable = nothing_more
    paint: Callable | None = None
    flip_and_scale: bool = True
    finish_in_graph: Callable | None = None

    @property
    def center_heatmap(self) -> HeadSpec:
        """The head whose peaks are the objects."""
        return self.heads[0]
