"""The two words of the mechanism: a task is a tuple of heads, and a head says where it is read."""

import dataclasses
from collections.abc import Callable
from typing import Any

Tensor = Any  # a tensor of Keras' backend, a symbolic one, or a NumPy array; shapes stand in the docstrings
READ_AT = ("everywhere", "centers", "keypoints")


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """One output map of the network and everything that belongs to it.

    Attributes:
        name: the map's name in the network's output, in the losses and in the history.
        channels: depth of the map.
        read_at: "everywhere" (the target is a whole map, decoding looks for its peaks), "centers"
            (the target is one row per object, compared and decoded at `center_index`) or "keypoints"
            (one row per joint, at `keypoint_index`).
        encode: function of placed objects (see `targets.place_objects`) -> target tensor.
        loss: function -> (total, count) of a prediction, a target and, unless read everywhere, a mask.
        weight: factor of this head's loss in the sum.
        bias: initial bias of the last convolution.
        published_name: of the head in the authors' checkpoints; empty where they have none.
    """

    name: str
    channels: int
    read_at: str
    encode: Callable
    loss: Callable
    weight: float = 1.0
    bias: float = 0.0
    published_name: str = ""

    def __post_init__(self):
        if self.read_at not in READ_AT:
            raise ValueError(f"HeadSpec {self.name}: read_at must be one of {READ_AT}, got {self.read_at!r}.")


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network is trained to find: its heads and how their readings become detections.

    Attributes:
        name: the task's key in `TASKS`.
        classes: names of the classes, in channel order of the heatmap.
        heads: the output maps; the first one is the centre heatmap.
        assemble: function of {head name: (B, K, channels) readings, "cells_xy": (B, K, 2)} -> dict of
            detection tensors, in cells of the map; at least "boxes_xyxy".
    """

    name: str
    classes: tuple[str, ...]
    heads: tuple[HeadSpec, ...]
    assemble: Callable

    @property
    def center_heatmap(self) -> HeadSpec:
        """The head whose peaks are the objects."""
        return self.heads[0]
