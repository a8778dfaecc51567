"""Sums up in one line what was read of a split."""

from collections.abc import Iterable, Sequence

import numpy as np

from keras_centernet.data.annotations import Annotations
from keras_centernet.data.reading.found import Found
from keras_centernet.data.source import Source

_BORDER = 1.0  # pixels that a box can reach over the border uncounted, because formats count pixels differently
_SHOWN_CLASSES = 6


class Summary:
    """Counts what is lost between what a reader found and the source made of it.

    Args:
        found: what the reader found.
        annotations: annotations of the used classes, before image files were checked.
    """

    def __init__(self, found: Found, annotations: Annotations):
        self._found = found
        self._images, self._objects = len(annotations.image_names), len(annotations.boxes_xyxy)

    def line(self, source: Source, contradicting: int) -> str:
        """Returns the line; counts of zero are left out, except for images and objects."""
        annotations, found = source.annotations, self._found
        hidden = annotations.is_hidden
        counts = np.bincount(annotations.classes[~hidden], minlength=len(source.classes))
        images, objects = len(annotations.image_names), len(annotations.boxes_xyxy)
        empty = np.bincount(annotations.image_index[~hidden], minlength=images) == 0
        regions = np.column_stack([annotations.image_index, annotations.boxes_xyxy])[hidden]
        others = (
            (sum(found.unlabelled), "images without label file"),
            (int(empty.sum()), "images without objects"),
            (self._images - images, "images skipped"),
            (self._objects - objects, "objects skipped"),
            (int(annotations.is_crowd.sum()), "objects marked as crowd"),
            (len(np.unique(regions, axis=0)), "hidden regions"),
            (int(_over_the_border(annotations)[~hidden].sum()), "boxes over the border"),
            (contradicting, "images whose stated size contradicts the file"),
        )
        return summary_line(found.name, images, source.classes, counts, others)


def summary_line(
    name: str, images: int, classes: Sequence[str], counts: Sequence[int], others: Iterable[tuple[int, str]]
) -> str:
    """Returns the line that says what a split holds.

    Args:
        name: name of the data.
        images: number of images.
        classes: names of the classes.
        counts: number of objects of each class.
        others: (count, what is counted); counts of zero are left out.
    """
    order = np.argsort(-np.asarray(counts), kind="stable")[:_SHOWN_CLASSES]
    shown = ", ".join(f"{classes[i]} {counts[i]}" for i in order) + (", ..." if len(counts) > _SHOWN_CLASSES else "")
    parts = [f"{images} images, {sum(counts)} objects of {len(counts)} classes ({shown})"]
    return f"{name}: {'; '.join(parts + [f'{count} {what}' for count, what in others if count])}."


def _over_the_border(annotations: Annotations) -> np.ndarray:
    """Returns (N,) bool: boxes that reach over the image's border by more than a pixel."""
    height, width = annotations.image_hw[annotations.image_index].T
    x1, y1, x2, y2 = annotations.boxes_xyxy.T
    return (x1 < -_BORDER) | (y1 < -_BORDER) | (x2 > width + _BORDER) | (y2 > height + _BORDER)
