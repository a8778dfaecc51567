"""A split of a data set: read where it has some, else made by image names.

A made split is the same wherever the data lie, and keeps together what shows the same: copies of one image, and
neighbouring images of a numbered series, such as the frames of a film. Classes are spread over both parts.
"""

import collections
import hashlib
import itertools
import re
from collections.abc import Sequence

import numpy as np

TRAIN, VAL = "train", "val"
_BLOCKS = 10  # parts of a series that is too long for one side
# Names of copies of one image: Roboflow's ".rf.<hash>", "photo (1)", "photo copy 2", "photo_aug_3".
_COPY = re.compile(r"(\.rf\.[0-9a-f]{6,}|[ _-]*\(\d+\)|[ _-]+(copy|aug|augmented|flip|flipped|rot|rotated)[ _-]*\d*)$")
_SERIES = re.compile(r"(.*?)(\d+)\D*")


def make_split(
    names: Sequence[str], image_index: np.ndarray, classes: np.ndarray, share: float
) -> dict[str, tuple[str, ...]]:
    """Returns {"train": names, "val": names}, a function of the names, of what the images hold, and of nothing else.

    Args:
        names: n different names of images, paths relative to the data set's folder.
        image_index: (N,) int, the image of each object.
        classes: (N,) int, its class.
        share: of the images that go to "val", above 0 and below 1; groups make it inexact.
    """
    if len(names) < 2:  # nothing can be held out
        return {TRAIN: tuple(names), VAL: ()}
    groups = _group(names, share)
    if len(groups) < 2:
        groups = [[i] for i in range(len(names))]
    counts = np.zeros((len(names), int(classes.max(initial=-1)) + 2))
    np.add.at(counts, (image_index, classes), 1)
    counts[:, -1] = 1  # the image itself
    of_groups = np.stack([counts[group].sum(axis=0) for group in groups])
    in_val = _choose(of_groups, [_hash(names[group[0]]) for group in groups], share)
    val = {i for group, chosen in zip(groups, in_val, strict=True) if chosen for i in group}
    parts = {TRAIN: [i for i in range(len(names)) if i not in val], VAL: sorted(val)}
    return {part: tuple(names[i] for i in indices) for part, indices in parts.items()}


def _group(names: Sequence[str], share: float) -> list[list[int]]:
    """Returns the indices of images that stay together."""
    copies = collections.defaultdict(list)
    for i, name in enumerate(names):
        copies[_original(name)].append(i)
    series = collections.defaultdict(list)
    for original in sorted(copies):
        match = _SERIES.fullmatch(original)
        prefix, number = (match[1], int(match[2])) if match else (original, 0)
        series[prefix].append((number, original))
    groups = []
    for members in series.values():
        members = [copies[original] for _, original in sorted(members)]
        longest = max(1, round(share * len(names)))
        # A series of more than one side's images is cut into stretches, others stay whole.
        parts = 1 if len(members) <= longest else max(_BLOCKS, round(_BLOCKS * len(members) / len(names)))
        for stretch in np.array_split(np.arange(len(members)), min(parts, len(members))):
            groups.append(list(itertools.chain.from_iterable(members[i] for i in stretch)))
    return groups


def _original(name: str) -> str:
    """Returns the name, without suffix, of the image that this may be a copy of.

    Example: "a/Photo (2).jpg" and "a/photo_copy.png" are "a/photo".
    """
    stem = re.sub(r"\.[A-Za-z]{3,4}$", "", name).casefold()
    while (shorter := _COPY.sub("", stem)) not in (stem, ""):
        stem = shorter
    return stem


def _choose(of_groups: np.ndarray, keys: list[str], share: float) -> np.ndarray:
    """Returns (G,) bool, the groups of the validation part: rare classes first, each side as it still needs them.

    Source: iterative stratification, Sechidis et al. 2011, with groups instead of single examples.
    """
    wanted = np.outer((1 - share, share), of_groups.sum(axis=0))
    in_val = np.zeros(len(keys), bool)
    is_open = np.ones(len(keys), bool)
    totals = of_groups.sum(axis=0)
    for column in np.argsort(totals + np.where(np.arange(len(totals)) == len(totals) - 1, np.inf, 0), kind="stable"):
        members = np.flatnonzero(is_open & (of_groups[:, column] > 0))
        for g in sorted(members, key=lambda g: (-of_groups[g, column], keys[g])):
            # The side that lacks more of this class, then of images; ties by the names.
            lack = wanted[:, column] / np.maximum((1 - share, share), 1e-9), wanted[:, -1]
            in_val[g] = lack[0][1] > lack[0][0] if lack[0][1] != lack[0][0] else lack[1][1] > lack[1][0]
            wanted[int(in_val[g])] -= of_groups[g]
            is_open[g] = False
    if not in_val.any() or in_val.all():
        in_val[:] = False
        in_val[min(range(len(keys)), key=lambda g: keys[g])] = True
    return in_val


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
