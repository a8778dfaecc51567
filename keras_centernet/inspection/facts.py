"""Counts and sizes of one split, with boxes as the network will see them."""

import dataclasses
import functools

import numpy as np

from keras_centernet.data.annotations import Annotations
from keras_centernet.data.images import read_image
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError
from keras_centernet.geometry import STRIDE, letterbox, transform_boxes

SMALL_CELLS = 2  # a box with a side of fewer cells is hard to locate


@dataclasses.dataclass(frozen=True, eq=False)
class SplitFacts:
    """One split.

    Attributes:
        name: of the split.
        source: where its images come from.
        annotations: of all its images, with their true sizes.
    """

    name: str
    source: Source
    annotations: Annotations

    @property
    def class_counts(self) -> np.ndarray:
        """(C,) objects of each class."""
        return np.bincount(self.annotations.classes, minlength=len(self.source.classes))

    @property
    def object_counts(self) -> np.ndarray:
        """(n,) objects of each image."""
        return np.diff(self.annotations.row_splits)

    @functools.cache  # noqa: B019 (a frozen value; a page asks for few sizes)
    def boxes_in_input(self, input_hw: tuple[int, int]) -> np.ndarray:
        """(N, 4) float64 boxes in input pixels, images letterboxed."""
        boxes_xyxy, splits = self.annotations.boxes_xyxy.copy(), self.annotations.row_splits
        for i, hw in enumerate(self.annotations.image_hw):
            rows = slice(splits[i], splits[i + 1])
            boxes_xyxy[rows] = transform_boxes(boxes_xyxy[rows], letterbox(tuple(hw), input_hw))
        return boxes_xyxy

    def small_count(self, input_hw: tuple[int, int]) -> int:
        """Returns how many objects have a side below `SMALL_CELLS` cells."""
        sides = self.boxes_in_input(input_hw)[:, 2:] - self.boxes_in_input(input_hw)[:, :2]
        return int((sides.min(axis=1, initial=np.inf) < SMALL_CELLS * STRIDE).sum())

    def shared_count(self, input_hw: tuple[int, int]) -> int:
        """Returns how many objects have their centre in a cell that another object of the image already has."""
        boxes_xyxy = self.boxes_in_input(input_hw)
        cells_xy = np.floor((boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2 / STRIDE).astype(np.int64)
        keys = np.column_stack([self.annotations.image_index, cells_xy])
        return len(keys) - len(np.unique(keys, axis=0))

    def load(self, indices: list[int]) -> dict[int, np.ndarray]:
        """Returns {index: (H, W, 3) uint8 RGB} of some images; those that cannot be read are left out."""
        if self.source.image_names is None:
            examples = self.source.examples(limit=max(indices, default=-1) + 1).as_numpy_iterator()
            return {i: example["image"] for i, example in enumerate(examples) if i in set(indices)}
        images = {}
        for i in indices:
            try:
                images[i] = read_image(self.annotations.image_names[i])
            except UserError:  # the file is gone, or a program drew the image
                continue
        return images


def facts_of(name: str, source: Source) -> SplitFacts:
    """Returns the facts of a split; a stream is read once."""
    return SplitFacts(name, source, source.annotations if source.image_names is not None else _collect(source))


def _collect(source: Source) -> Annotations:
    """Returns the annotations of a stream's examples."""
    keys = ("boxes_xyxy", "classes", "is_crowd", "is_difficult", "areas")
    rows, sizes_hw, ids = {key: [] for key in keys}, [], []
    for example in source.examples().as_numpy_iterator():
        for key in keys:
            rows[key].append(example[key])
        sizes_hw.append(example["image"].shape[:2])
        ids.append(example["image_id"])
    index = np.repeat(np.arange(len(ids)), [len(one) for one in rows["classes"]])
    columns = {key: np.concatenate(values) if values else np.zeros(0) for key, values in rows.items()}
    names = tuple(f"image {i}" for i in ids)
    return Annotations(names, np.array(ids, np.int64), np.array(sizes_hw, np.int32).reshape(-1, 2), index, **columns)
