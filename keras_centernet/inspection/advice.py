"""The input size and the number of objects per image that suit a data set."""

from collections.abc import Sequence

import numpy as np

from keras_centernet.inspection.facts import SplitFacts

SIZES = (256, 320, 384, 448, 512, 640, 768, 896, 1024)
_SMALL_SHARE, _SHARED_SHARE = 0.02, 0.01  # of the objects: how many may be small, and how many may share a cell
_STEP = 8


def advise_input_size(splits: Sequence[SplitFacts]) -> int:
    """Returns the smallest size at which few objects are small or share a cell, limited by the images' median size."""
    longest = [facts.annotations.image_hw.max(axis=1) for facts in splits]
    limit = float(np.median(np.concatenate(longest)))
    sizes = [size for size in SIZES if size < limit]
    sizes.append(next((size for size in SIZES if size >= limit), SIZES[-1]))
    total = sum(len(facts.annotations.classes) for facts in splits)
    for size in sizes:
        small = sum(facts.small_count((size, size)) for facts in splits)
        shared = sum(facts.shared_count((size, size)) for facts in splits)
        if small <= _SMALL_SHARE * total and shared <= _SHARED_SHARE * total:
            return size
    return sizes[-1]


def advise_max_objects(splits: Sequence[SplitFacts]) -> int:
    """Returns the largest number of objects in an image, rounded up to a multiple of eight."""
    most = max((int(facts.object_counts.max(initial=0)) for facts in splits), default=0)
    return max(_STEP, -(-most // _STEP) * _STEP)
