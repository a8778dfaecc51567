"""`HeadSpec` and `Task`: what a network predicts and how it is read; `FieldSpec`: what the data must hold for it."""

import dataclasses
from collections.abc import Callable
from typing import Any

from keras_centernet.limits import Limits

Tensor = Any  # a tensor of Keras' backend, a symbolic one, or a NumPy array; docstrings give the shapes
READ_AT = ("everywhere", "centers", "keypoints")
TAUGHT_AT = ("centers", "keypoints", "areas")


def identity(value: object) -> object:
    """Identity: the default for hooks that change nothing."""
    return value


@dataclasses.dataclass(frozen=True)
class FieldSpec:
    """What a data set may hold for an object (or an image) besides class and box.

    How a field moves when an image is warped or mirrored follows from the end of its name, see `data.fields`.

    Attributes:
        dtype: of the values, "float32", "int32" or "bool".
        shape: of one object's (or image's) value; None is an open side, such as the number of keypoints.
        of_image: whether there is one value per image instead of one per object.
        record_key: the field's key in TFRecord files; "": derived from its name.
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
        read_at: "everywhere" (the target is a whole map, decoding looks for its peaks), "centers" (the target is
            one row per object, compared and decoded at `center_index`) or "keypoints" (one row per keypoint,
            compared at `keypoint_index`, decoded at the peaks of the heatmap `peaks_of`).
        encode: function of placed objects (see `targets.place_objects`) -> target tensor, or (target, mask)
            if other rows count than the usual ones.
        loss: function -> (total, count) of a prediction, a target and, unless read everywhere, a mask.
        weight: factor of this head's loss in the sum.
        bias: initial bias of the last convolution.
        flip: function of a mirrored image's map, mirrored back -> what the image's own map should be; the flip test
            averages the two. None: the flip test takes the image's own map alone.
        target_to_map: function of the head's target -> the values of a perfect map there, from which decoding
            recovers the target.
        published_name: of the head in the authors' checkpoints; empty if they have no such head.
        peaks_of: for heads that are read at keypoints: name of the heatmap at whose peaks they are read; empty: the
            task's first one after the centre heatmap.
        taught_at: rows at which the loss compares, if they are not those of `read_at`: "areas", see `method.areas`;
            empty: those of `read_at`.
        box_center: for heads of widths and heights of boxes: name of the head that says where the centres are; empty
            for other heads.
        loss_reads: {argument of the loss: name of another head}, whose (prediction, target) at the same rows the loss
            takes, too.
    """

    name: str
    channels: int
    read_at: str
    encode: Callable
    loss: Callable
    weight: float = 1.0
    bias: float = 0.0
    flip: Callable | None = None
    target_to_map: Callable = identity
    published_name: str = ""
    peaks_of: str = ""
    taught_at: str = ""
    box_center: str = ""
    loss_reads: dict[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self):
        if self.taught_at and (self.taught_at not in TAUGHT_AT or self.read_at == "everywhere"):
            expected = f"one of {TAUGHT_AT} of a head that is not read everywhere"
            raise ValueError(f"HeadSpec {self.name}: taught_at must be {expected}, got {self.taught_at!r}.")
        if self.read_at not in READ_AT:
            raise ValueError(f"HeadSpec {self.name}: read_at must be one of {READ_AT}, got {self.read_at!r}.")


def no_extras(rows: dict, calibration: Tensor | None = None) -> dict:
    """No extras: for tasks whose detections are plain boxes."""
    return {}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network is trained to find: its heads and how their readings become detections.

    Attributes:
        name: the task's key in `TASKS`, or the name of a user's own task.
        classes: names of the classes, in channel order of the heatmap.
        heads: the output maps; the first one is the centre heatmap.
        to_boxes: function of {head name: (B, K, channels) readings, "cells_xy": (B, K, 2), ...} (see `decode`) ->
            dict of detection tensors (B, K, ...); at least "boxes_xyxy". Names that end in _xy or _xyxy are
            positions in cells of the map and are moved to other frames with the boxes; names that end in _dxy are
            vectors there, which are scaled but not shifted.
        place: function of placed objects -> the same and what only this task needs, such as "keypoint_index" and
            "keypoint_mask" for heads that are read at keypoints.
        postprocess: function (rows, calibration) -> extras of `Detections`. Rows are decoded values, positions in
            original pixels: either arrays (N, ...) of one image, calibration (3, 4), on the host, or tensors
            (B, N, ...), calibration (B, 3, 4), in graphs.
        paint: function (image, detections, **options) -> drawing of the detections; None: boxes are drawn.
        flip_and_scale: whether tests with mirrored and scaled images make sense; not if distances are measured.
        needs_camera: whether `postprocess` needs a calibration; if not, it is called with None.
        builder: registered function (classes, **options) -> `Task` that rebuilds a user's own task from a saved
            model (`keras.saving.register_keras_serializable`); None for tasks of the table.
        options: the builder's arguments besides the classes.
        nms: the largest intersection over union of two detections of one class, above which the worse one is dropped
            as a duplicate (see `duplicates`), above 0 and at most 1. None, as published: nothing is dropped.
    """

    name: str
    classes: tuple[str, ...]
    heads: tuple[HeadSpec, ...]
    to_boxes: Callable
    place: Callable = identity
    postprocess: Callable = no_extras
    paint: Callable | None = None
    flip_and_scale: bool = True
    needs_camera: bool = False
    builder: Callable | None = None
    options: dict = dataclasses.field(default_factory=dict, hash=False)
    nms: float | None = None

    def __post_init__(self):
        if self.nms is not None:
            Limits(above=0, at_most=1).check("nms", self.nms)
        heatmaps = [head.name for head in self.keypoint_heatmaps]
        for head in self.heads:
            if head.peaks_of and head.peaks_of not in heatmaps:
                raise ValueError(f"HeadSpec {head.name}: peaks_of must be one of {heatmaps}, got {head.peaks_of!r}.")

    @property
    def center_heatmap(self) -> HeadSpec:
        """The head whose peaks are the objects."""
        return self.heads[0]

    @property
    def keypoint_heatmaps(self) -> tuple[HeadSpec, ...]:
        """The other heads whose peaks are read."""
        return tuple(head for head in self.heads[1:] if head.read_at == "everywhere")

    def head(self, name: str) -> HeadSpec:
        """Returns the head of that name; raises a KeyError if there is none."""
        return {head.name: head for head in self.heads}[name]
