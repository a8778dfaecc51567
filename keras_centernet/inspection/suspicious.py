"""Images whose labels look wrong, and images that are in two splits."""

import dataclasses
import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from keras_centernet.data.images import read_image
from keras_centernet.errors import UserError
from keras_centernet.geometry import box_iou
from keras_centernet.inspection.facts import SplitFacts

HUGE, TINY, OUTSIDE, SAME = 0.95, 2.0, 0.05, 0.9  # share of the image, pixels, share of the box, overlap
_HASH_SIDE, _HASH_BITS = 9, 2  # pixels of a row; bits by which two hashes of one photo may differ
_ROWS_AT_A_TIME = 512


@dataclasses.dataclass(frozen=True)
class Suspicion:
    """What looks wrong in one image.

    Attributes:
        split: name of the split.
        image: its index in the split.
        name: of the image.
        reasons: {what looks wrong: number of objects}.
    """

    split: str
    image: int
    name: str
    reasons: dict[str, int]

    @property
    def text(self) -> str:
        """Its reasons in a line, with the number of objects where there are several."""
        return ", ".join(what if count == 1 else f"{what} ({count})" for what, count in self.reasons.items())


def find_suspicions(facts: SplitFacts) -> list[Suspicion]:
    """Returns the images whose labels look wrong.

    They have boxes that are huge, tiny, repeated or over the border, or no labels although their neighbours have some.
    """
    annotations, found = facts.annotations, {}
    boxes_xyxy, image_index = annotations.boxes_xyxy, annotations.image_index
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    image_wh = annotations.image_hw[image_index][:, ::-1]
    inside = np.maximum(np.minimum(boxes_xyxy[:, 2:], image_wh) - np.maximum(boxes_xyxy[:, :2], 0), 0)
    for what, is_so in (
        ("box as large as the image", np.prod(sides, axis=1) > HUGE * np.prod(image_wh, axis=1)),
        ("box of less than two pixels", sides.min(axis=1, initial=np.inf) < TINY),
        ("box over the border", np.prod(inside, axis=1) < (1 - OUTSIDE) * np.prod(sides, axis=1)),
        ("two boxes for one object", _is_repeated(facts)),
    ):
        for index, count in zip(*np.unique(image_index[is_so], return_counts=True), strict=True):
            found.setdefault(int(index), {})[what] = int(count)
    for index in _unlabelled_neighbours(facts):
        found.setdefault(index, {})["no object, but its neighbours have some"] = 1
    suspicions = [Suspicion(facts.name, i, annotations.image_names[i], reasons) for i, reasons in found.items()]
    return sorted(suspicions, key=lambda one: (-len(one.reasons), -sum(one.reasons.values()), one.name))


def find_near_duplicates(splits: Sequence[SplitFacts]) -> list[tuple[str, str, str, str]]:
    """Returns (split, image, other split, image) of photos that show the same in two splits.

    Compares difference hashes of 64 bits: of 9 x 8 gray pixels, which one is darker than the next in its row. This
    finds copies in other sizes, formats and qualities, but neither crops nor mirror images. Needs image files.
    """
    prints = [(facts, *_prints(facts)) for facts in splits if facts.source.image_names is not None]
    pairs = []
    for (facts, indices, hashes), (others, other_indices, other_hashes) in itertools.combinations(prints, 2):
        for start in range(0, len(hashes), _ROWS_AT_A_TIME):
            distances = np.bitwise_count(hashes[start : start + _ROWS_AT_A_TIME, None] ^ other_hashes[None])
            for i, j in np.argwhere(distances <= _HASH_BITS):
                mine = facts.annotations.image_names[indices[start + i]]
                pairs.append((facts.name, mine, others.name, others.annotations.image_names[other_indices[j]]))
    return pairs


def _prints(facts: SplitFacts) -> tuple[list[int], np.ndarray]:
    """Returns (indices of images, their hashes (n,) uint64), without unreadable images and those of one colour."""
    indices, hashes = [], []
    for i, name in enumerate(facts.annotations.image_names):
        try:
            gray = cv2.cvtColor(read_image(name), cv2.COLOR_RGB2GRAY)
        except UserError:
            continue
        small = cv2.resize(gray, (_HASH_SIDE, _HASH_SIDE - 1), interpolation=cv2.INTER_AREA).astype(np.int16)
        if np.ptp(small) > 1:
            indices.append(i)
            hashes.append(np.packbits(small[:, 1:] > small[:, :-1]).view(np.uint64)[0])
    return indices, np.array(hashes, np.uint64)


def _is_repeated(facts: SplitFacts) -> np.ndarray:
    """Returns (N,) bool: boxes that overlap an earlier one of their image and class almost entirely."""
    annotations, splits = facts.annotations, facts.annotations.row_splits
    repeated = np.zeros(len(annotations.boxes_xyxy), bool)
    for start, stop in itertools.pairwise(splits):
        boxes, classes = annotations.boxes_xyxy[start:stop], annotations.classes[start:stop]
        if len(boxes) < 2:
            continue
        is_same = (box_iou(boxes, boxes) > SAME) & (classes[:, None] == classes)
        repeated[start:stop] = np.tril(is_same, -1).any(axis=1)
    return repeated


def _unlabelled_neighbours(facts: SplitFacts) -> list[int]:
    """Returns the images without objects between two with some, by name; none if over 10 % of images have no object."""
    names, counts = facts.annotations.image_names, facts.object_counts
    order = sorted(range(len(names)), key=lambda i: (len(names[i]), names[i]))
    if (counts == 0).mean() > 0.1:
        return []
    return [
        b
        for a, b, c in zip(order[:-2], order[1:-1], order[2:], strict=True)
        if counts[a] and not counts[b] and counts[c]
    ]
