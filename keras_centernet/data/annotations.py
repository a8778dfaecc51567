"""The objects of a whole split as flat NumPy arrays, and the removal of boxes that no detector can learn from."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_centernet.data.counting import warn_counted
from keras_centernet.data.images import read_header
from keras_centernet.errors import UserError
from keras_centernet.method.specs import Tensor


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Objects of n images in flat arrays of N rows, sorted by image.

    Attributes:
        image_names: n file paths; they also name the image in warnings.
        image_ids: (n,) int64.
        image_hw: (n, 2) int32 as the annotation states it; zeros if it states no size.
        image_index: (N,) int64 ascending, the image of each object.
        boxes_xyxy: (N, 4) float64, image pixels.
        classes: (N,) int32.
        is_crowd: (N,) bool.
        is_difficult: (N,) bool.
        areas: (N,) float64, square image pixels.
        fields: {key: (N, ...) float32, int32 or bool}: further values of the objects, see `source.py`.
        image_fields: {key: (n, ...)}: further values of the images.
    """

    image_names: tuple[str, ...]
    image_ids: np.ndarray
    image_hw: np.ndarray
    image_index: np.ndarray
    boxes_xyxy: np.ndarray
    classes: np.ndarray
    is_crowd: np.ndarray
    is_difficult: np.ndarray
    areas: np.ndarray
    fields: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    image_fields: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def row_splits(self) -> np.ndarray:
        """(n + 1,) int64: the objects of image i are rows row_splits[i] to row_splits[i + 1]."""
        counts = np.bincount(self.image_index, minlength=len(self.image_names))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @property
    def is_hidden(self) -> np.ndarray:
        """(N,) bool: regions that hide objects; they are neither objects to detect nor used for training."""
        return np.asarray(self.fields.get("is_hidden", np.zeros(len(self.boxes_xyxy))), bool)

    def keep_objects(self, keep: np.ndarray) -> "Annotations":
        """Returns the annotations with only the objects marked in `keep` (N,) bool, and with all images."""
        names = ("image_index", "boxes_xyxy", "classes", "is_crowd", "is_difficult", "areas")
        kept = {name: getattr(self, name)[keep] for name in names}
        return dataclasses.replace(self, **kept, fields={key: values[keep] for key, values in self.fields.items()})

    def keep_images(self, keep: np.ndarray) -> "Annotations":
        """Returns the annotations with only the images marked in `keep` (n,) bool, and their objects."""
        kept = self.keep_objects(keep[self.image_index])
        return dataclasses.replace(
            kept,
            image_names=tuple(name for name, stays in zip(self.image_names, keep, strict=True) if stays),
            image_ids=self.image_ids[keep],
            image_hw=self.image_hw[keep],
            image_index=(np.cumsum(keep) - 1)[kept.image_index],
            image_fields={key: values[keep] for key, values in self.image_fields.items()},
        )


def build_annotations(
    image_names: Sequence[str],
    rows: Sequence[tuple],
    *,
    image_ids: Sequence[int] | None = None,
    image_hw: Sequence[tuple[int, int]] | None = None,
    fields: dict[str, np.ndarray] | None = None,
    image_fields: dict[str, np.ndarray] | None = None,
) -> Annotations:
    """Returns `Annotations` of Python rows in any order.

    Args:
        image_names: n file paths.
        rows: one tuple per object: (image index, x1, y1, x2, y2, class, is crowd, is difficult, area);
            area None means width * height.
        image_ids: n numbers; None counts from 0.
        image_hw: n (height, width); None, or a pair of zeros, means unknown.
        fields: {key: one row per object, in the order of `rows`}.
        image_fields: {key: one row per image}.
    """
    count = len(image_names)
    table = np.array([[np.nan if v is None else v for v in row] for row in rows], np.float64).reshape(-1, 9)
    order = np.argsort(table[:, 0], kind="stable")
    table = table[order]
    boxes_xyxy = table[:, 1:5]
    sizes_wh = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return Annotations(
        image_names=tuple(image_names),
        image_ids=np.arange(count) if image_ids is None else np.asarray(image_ids, np.int64),
        image_hw=np.asarray(image_hw if count and image_hw is not None else np.zeros((count, 2)), np.int32),
        image_index=table[:, 0].astype(np.int64),
        boxes_xyxy=boxes_xyxy,
        classes=table[:, 5].astype(np.int32),
        is_crowd=table[:, 6] > 0,
        is_difficult=table[:, 7] > 0,
        areas=np.where(np.isnan(table[:, 8]), np.prod(sizes_wh, axis=1), table[:, 8]),
        fields={key: np.asarray(values)[order] for key, values in (fields or {}).items()},
        image_fields=dict(image_fields or {}),
    )


def drop_bad_boxes(annotations: Annotations) -> Annotations:
    """Returns the annotations without boxes that are empty, inverted, outside the image or given twice.

    Each of these reasons gives one counted warning. Boxes partly outside are kept, because targets clip them. Images
    that lose all their objects are kept, too.
    """
    for is_bad, what in (
        (_has_no_extent, "object(s) skipped, box empty or inverted (expected x1 < x2 and y1 < y2)"),
        (_is_outside, "object(s) skipped, box completely outside the image"),
        (_is_duplicate, "object(s) skipped, class and box given twice in one image"),
    ):
        bad = is_bad(annotations)
        names, boxes = annotations.image_names, annotations.boxes_xyxy
        warn_counted([f"{names[annotations.image_index[i]]} {_show(boxes[i])}" for i in np.flatnonzero(bad)], what)
        annotations = annotations.keep_objects(~bad)
    return annotations


def has_extent(boxes_xyxy: Tensor) -> Tensor:
    """Returns (N,) bool for boxes (N, 4), an array or a tensor: whether their size is finite, x1 < x2 and y1 < y2."""
    x1, y1, x2, y2 = (boxes_xyxy[:, i] for i in range(4))
    return (x2 > x1) & (y2 > y1) & (x2 - x1 < np.inf) & (y2 - y1 < np.inf)


def meets(boxes_xyxy: Tensor, height: Tensor | float, width: Tensor | float) -> Tensor:
    """Returns (N,) bool for boxes (N, 4), an array or a tensor: whether part of it is inside an image of that size."""
    x1, y1, x2, y2 = (boxes_xyxy[:, i] for i in range(4))
    return (x2 > 0) & (y2 > 0) & (x1 < width) & (y1 < height)


def _show(box_xyxy: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in box_xyxy) + "]"


def _has_no_extent(annotations: Annotations) -> np.ndarray:
    return ~has_extent(annotations.boxes_xyxy)


def _is_outside(annotations: Annotations) -> np.ndarray:
    """Returns (N,) bool. Annotated image sizes can be wrong, so image files decide about boxes that seem outside."""
    boxes_xyxy, image_index = annotations.boxes_xyxy, annotations.image_index
    image_hw = annotations.image_hw.copy()
    for index in np.unique(image_index[~meets(boxes_xyxy, *image_hw[image_index].T)]):
        image_hw[index] = _true_hw(annotations.image_names[index], image_hw[index])
    return ~meets(boxes_xyxy, *image_hw[image_index].T)


def _true_hw(name: str, stated_hw: np.ndarray) -> tuple[int, int] | np.ndarray:
    try:
        return read_header(name).hw
    except UserError:  # not a file, or a damaged one: the stated size is the best that is known
        return stated_hw if stated_hw.all() else (np.iinfo(np.int32).max,) * 2


def _is_duplicate(annotations: Annotations) -> np.ndarray:
    kinds = (annotations.image_index, annotations.classes, annotations.is_crowd, annotations.is_hidden)
    keys = np.column_stack([*kinds, annotations.boxes_xyxy])
    _, first = np.unique(keys, axis=0, return_index=True)
    return ~np.isin(np.arange(len(keys)), first)
