"""A split for data sets that have none: made by the names of images and the classes in them.

It is the same wherever the data lie. What shows the same stays together: copies of one image, and neighbours in a
numbered series, such as the frames of a film. Classes are spread over both parts.
"""

import collections
import hashlib
import re
from collections.abc import Sequence

import numpy as np

TRAIN, VAL = "train", "val"
_LEAST_STRETCHES, _STRETCH = 10, 50  # of a series that is too long for "val": how many at least, how long otherwise
_DIGITS = 9  # of the sums that decide: the same on machines that round differently
# Ends of the names of copies: Roboflow's ".rf.<hash>", "photo (1)", "photo copy 2", "photo_aug_3", "photo_hflip".
_COPY = re.compile(
    r"(\.rf\.[0-9a-f]{6,}"
    r"|[ _-]*\(\d+\)"
    r"|[ _-]+(copy|aug|augmented|[hv]?flip|flipped|mirror|mirrored|rot|rotate|rotated|blur|noise|bright|dark|gray)"
    r"[ _-]*\d*)$"
)
_MOST_COPIES = 5  # of one image, unless even more of them are fewer than "val" gets: "photo (1)" also numbers photos
_SUFFIX = re.compile(r"\.[A-Za-z]{3,4}(#\d+)?$")  # "photo.jpg#1": the same file, listed twice
_SERIES = re.compile(r"(.*?)(\d+)[^\d/]*")  # the last number of a name, and what stands before it


def make_split(
    names: Sequence[str], image_index: np.ndarray, classes: np.ndarray, share: float
) -> dict[str, tuple[str, ...]]:
    """Returns {"train": names, "val": names}, both in the order of `names`, each name in one of them.

    The parts depend on the names, on what the images hold and on nothing else. "val" has at least one image of two,
    and an object of two groups that have some.

    Args:
        names: n different names of images, paths relative to the data set's folder.
        image_index: (N,) int, the image of each object.
        classes: (N,) int, its class.
        share: of the images that go to "val", above 0 and below 1; what stays together makes it inexact.
    """
    if len(names) < 2:  # nothing can be held out
        return {TRAIN: tuple(names), VAL: ()}
    groups = _group(names, share)
    groups = [[i] for i in range(len(names))] if len(groups) < 2 else groups
    in_group = np.empty(len(names), np.int64)
    for number, group in enumerate(groups):
        in_group[group] = number
    # One column per class, and one of the images themselves.
    counts = np.zeros((len(groups), int(classes.max(initial=-1)) + 2))
    np.add.at(counts, (in_group[image_index], classes), 1)
    counts[:, -1] = np.bincount(in_group)
    in_val = _choose(counts, [_hash(min(names[i] for i in group)) for group in groups], share)[in_group]
    return {part: tuple(np.array(names, object)[in_val == (part == VAL)]) for part in (TRAIN, VAL)}


def _group(names: Sequence[str], share: float) -> list[list[int]]:
    """Returns the indices of images that stay together, in an order that follows from the names."""
    longest = max(1, round(share * len(names)))
    series = collections.defaultdict(list)
    for name, copies in _copies(names, max(longest, _MOST_COPIES)):
        match = _SERIES.fullmatch(name)
        prefix, number = (match[1], match[2].lstrip("0")) if match else (name, "")
        series[prefix].append((len(number), number, name, copies))
    groups = []
    for _, members in sorted(series.items()):
        images = [copies for *_, copies in sorted(members)]
        is_short = sum(map(len, images)) <= longest
        parts = 1 if is_short else min(max(_LEAST_STRETCHES, len(images) // _STRETCH), len(images))
        for stretch in np.array_split(np.arange(len(images)), parts):
            groups.append([i for k in stretch for i in images[k]])
    return groups


def _copies(names: Sequence[str], most: int) -> list[tuple[str, list[int]]]:
    """Returns (name without suffix, indices of the image and its copies) of each image that is no copy."""
    copies = collections.defaultdict(list)
    for i in sorted(range(len(names)), key=names.__getitem__):
        copies[_original(names[i])].append(i)
    found = []
    for name, members in copies.items():
        found += [(name, members)] if len(members) <= most else [(_stem(names[i]), [i]) for i in members]
    return found


def _original(name: str) -> str:
    """Returns the name, without suffix, of the image that this may be a copy of.

    Example: "a/Photo (2).jpg" and "a/photo_copy.png" are "a/photo".
    """
    stem = _stem(name)
    while (shorter := _COPY.sub("", stem)) not in (stem, "") and not shorter.endswith("/"):
        stem = shorter
    return stem


def _stem(name: str) -> str:
    return _SUFFIX.sub("", name).casefold()


def _choose(counts: np.ndarray, keys: list[str], share: float) -> np.ndarray:
    """Returns (G,) bool, the groups of "val".

    One group after the other goes where it brings the counts of all its columns nearest to the share, as an error
    diffusion: what earlier groups put on one side too much is made up by later ones. Rare classes come first.

    Args:
        counts: (G, columns) what is to be shared out: objects of each class, images.
        keys: G texts; groups of equally rare classes come in their order.
        share: of each column that belongs into "val".
    """
    totals, holders = counts.sum(axis=0), (counts > 0).sum(axis=0)
    typical = np.sqrt((counts**2).sum(axis=0) / np.maximum(holders, 1))  # root mean square of groups that have some
    scaled = counts / np.maximum(typical, 1)
    rarest = np.where(counts > 0, totals, np.inf).min(axis=1)
    missing, in_val = np.zeros(counts.shape[1]), np.zeros(len(counts), bool)
    for g in sorted(range(len(counts)), key=lambda g: (rarest[g], keys[g])):
        missing += share * scaled[g]
        in_val[g] = round(missing @ scaled[g], _DIGITS) > round(scaled[g] @ scaled[g] / 2, _DIGITS)
        missing -= in_val[g] * scaled[g]
    return _fill_both(in_val, counts[:, :-1].any(axis=1), keys)


def _fill_both(in_val: np.ndarray, has_objects: np.ndarray, keys: list[str]) -> np.ndarray:
    """Returns the choice with a group of objects on either side, of those that there are."""
    able = np.flatnonzero(has_objects if has_objects.sum() > 1 else np.ones_like(has_objects))
    for side in (True, False):
        if not np.any(in_val[able] == side):
            in_val[min(able, key=lambda g: keys[g])] = side
    return in_val


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
