"""Makes a split for data sets that have none, from the names of images and the classes in them.

The split does not depend on where the data is stored. Similar images stay together: copies of one image, and neighbours
in a numbered series, such as the frames of a film. Classes are spread over both parts, and a series is cut if that
requires it.
"""

import bisect
import collections
import hashlib
import re
from collections.abc import Sequence

import numpy as np

TRAIN, VAL = "train", "val"
# "val" may have this many times its share of a class, least and most. The limits are wide as long as films stay whole,
# so that one of three films of equal length is not too much, and narrow once a film had to be cut, because no other
# film has its class: pieces can be fitted better.
_WHOLE, _CUT = (0.5, 1.7), (0.8, 1.2)
_STRETCHES = (10, 20)  # least and usual most stretches into which a long series is cut
_LENGTHS = (5, 50)  # images in a stretch, least and most; series of more than 20 * 50 images get more stretches
_DIGITS = 9  # decimals of the sums that decide, so that machines that round differently make the same split
# Ends of the names of copies: Roboflow's ".rf.<hash>", "photo (1)", "photo copy 2", "photo_aug_3", "photo_hflip".
_COPY = re.compile(
    r"(\.rf\.[0-9a-f]{6,}"
    r"|[ _-]*\(\d+\)"
    r"|[ _-]+(copy|aug|augmented|[hv]?flip|flipped|mirror|mirrored|rot|rotate|rotated|blur|noise|bright|dark|gray)"
    r"[ _-]*\d*)$"
)
# Larger groups, unless they still fit into "val", are not copies of one image: "photo (1)" also numbers photos.
_MOST_COPIES = 5
_SUFFIX = re.compile(r"\.[A-Za-z]{3,4}(#\d+)?$")  # "photo.jpg#1": the same file, listed twice
_SERIES = re.compile(r"(.*?)(\d+)[^\d/]*")  # the text before the last number of a name, and the number


def make_split(
    names: Sequence[str], image_index: np.ndarray, classes: np.ndarray, share: float
) -> dict[str, tuple[str, ...]]:
    """Returns {"train": names, "val": names}, both in the order of `names`, each name in one of them.

    The parts depend only on the names and on the objects of the images. Neither part is empty if there are two or more
    images, and both have objects if two or more groups of images have them.

    Args:
        names: n different names of images, paths relative to the data set's folder.
        image_index: (N,) int, the image of each object.
        classes: (N,) int, the class of each object.
        share: share of the images that go into "val", above 0 and below 1; it is met only approximately, because
            similar images stay together.
    """
    if len(names) < 2:  # nothing can be held out
        return {TRAIN: tuple(names), VAL: ()}
    units, starts = _series(names, share)
    in_unit = np.empty(len(names), np.int64)
    for number, unit in enumerate(units):
        in_unit[unit] = number
    _cut_for_classes(starts, in_unit[image_index], classes, share)
    in_group = np.searchsorted(starts, in_unit, side="right") - 1
    if len(starts) == 1:  # one series, or one image and its copies
        in_group = in_unit if len(units) > 1 else np.arange(len(names))
    # One column per class, and a last one for the number of images.
    counts = np.zeros((in_group.max() + 1, int(classes.max(initial=-1)) + 2))
    np.add.at(counts, (in_group[image_index], classes), 1)
    counts[:, -1] = np.bincount(in_group)
    first_names = dict(sorted(zip(in_group.tolist(), names, strict=True), reverse=True))
    in_val = _choose(counts, [_hash(first_names[g]) for g in range(len(counts))], share)[in_group]
    return {part: tuple(np.array(names, object)[in_val == (part == VAL)]) for part in (TRAIN, VAL)}


def _series(names: Sequence[str], share: float) -> tuple[list[list[int]], list[int]]:
    """Returns (units, first unit of each group); a unit is an image with its copies, a group stays together.

    Units are sorted by series. A short series is one group, a long one several stretches.
    """
    longest = max(1, round(share * len(names)))
    series = collections.defaultdict(list)
    for name, copies in _copies(names, max(longest, _MOST_COPIES)):
        match = _SERIES.fullmatch(name)
        prefix, number = (match[1], match[2].lstrip("0")) if match else (name, "")
        series[prefix].append((len(number), number, name, copies))
    units, starts = [], []
    for _, members in sorted(series.items()):
        is_whole = sum(len(copies) for *_, copies in members) <= _WHOLE[1] * longest
        parts = 1 if is_whole else _stretches(len(members))
        starts += [len(units) + int(stretch[0]) for stretch in np.array_split(np.arange(len(members)), parts)]
        units += [copies for *_, copies in sorted(members)]
    return units, starts


def _stretches(length: int) -> int:
    """Returns the number of stretches of a series: many, to spread classes, but long, because it can be a film."""
    most = max(_STRETCHES[1], length // _LENGTHS[1])
    return min(length, max(_STRETCHES[0], min(most, length // _LENGTHS[0])))


def _cut_for_classes(starts: list[int], in_unit: np.ndarray, classes: np.ndarray, share: float) -> None:
    """Cuts groups if "val" would otherwise get too little or too much of a class.

    The group with the most units of the class is cut in the middle of them, until the share can be reached.

    Args:
        starts: first units of the groups, ascending; changed in place.
        in_unit, classes: (N,), the unit and the class of each object.
        share: share of the units of a class that belongs in "val".
    """
    for number in np.unique(classes):
        members = np.unique(in_unit[classes == number])
        wanted = share * len(members)
        least, most = _WHOLE
        while wanted >= 1:
            counts = np.bincount(np.searchsorted(starts, members, side="right"))
            sizes = np.sort(counts[counts > 0])
            reachable = np.concatenate([sizes, np.cumsum(sizes)]) / wanted
            if sizes[-1] < 2 or np.any((reachable >= least) & (reachable <= most)):
                break
            largest = int(np.argmax(counts))
            bisect.insort(starts, int(members[counts[:largest].sum() + sizes[-1] // 2]))
            least, most = _CUT


def _copies(names: Sequence[str], most: int) -> list[tuple[str, list[int]]]:
    """Returns (name without suffix, indices of the image and its copies) for each image that is not a copy."""
    copies = collections.defaultdict(list)
    for i in sorted(range(len(names)), key=names.__getitem__):
        copies[_original(names[i])].append(i)
    found = []
    for name, members in copies.items():
        found += [(name, members)] if len(members) <= most else [(_stem(names[i]), [i]) for i in members]
    return found


def _original(name: str) -> str:
    """Returns the name, without suffix, of the image of which this could be a copy.

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

    Each group in turn goes to the side that brings the counts of all its columns nearest to the share. As in error
    diffusion, later groups compensate for what earlier groups gave one side too much. Groups with rare classes come
    first, and among them the largest groups.

    Args:
        counts: (G, columns) what is divided: objects of each class, and images.
        keys: G texts that order groups of equally rare classes and equal size.
        share: share of each column that belongs in "val".
    """
    totals, holders = counts.sum(axis=0), (counts > 0).sum(axis=0)
    typical = np.sqrt((counts**2).sum(axis=0) / np.maximum(holders, 1))  # root mean square over groups with a count
    scaled = counts / np.maximum(typical, 1)
    rarest = np.where(counts > 0, totals, np.inf).min(axis=1)
    missing, in_val = np.zeros(counts.shape[1]), np.zeros(len(counts), bool)
    for g in sorted(range(len(counts)), key=lambda g: (rarest[g], -counts[g, -1], keys[g])):
        missing += share * scaled[g]
        in_val[g] = round(missing @ scaled[g], _DIGITS) > round(scaled[g] @ scaled[g] / 2, _DIGITS)
        missing -= in_val[g] * scaled[g]
    return _fill_both(_improve(in_val, counts, share), counts[:, :-1].any(axis=1), keys)


def _improve(in_val: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """Returns the choice after moving groups to the other side as long as that brings the columns nearer to the share.

    The error of a column is what "val" has too much or too little, relative to what it should have. All classes
    together weigh as much as the images.
    """
    scaled = counts / np.maximum(share * counts.sum(axis=0), 1)
    scaled[:, -1] *= np.sqrt(counts.shape[1] - 1)
    missing = share * scaled.sum(axis=0) - scaled[in_val].sum(axis=0)
    signs, squares = np.where(in_val, -1, 1), (scaled**2).sum(axis=1)
    for _ in range(len(counts)):
        gains = np.round(2 * signs * (scaled @ missing) - squares, _DIGITS)
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        missing -= signs[best] * scaled[best]
        signs[best] *= -1
    return signs < 0


def _fill_both(in_val: np.ndarray, has_objects: np.ndarray, keys: list[str]) -> np.ndarray:
    """Returns the choice with at least one group on each side, one with objects if two or more groups have objects."""
    able = np.flatnonzero(has_objects if has_objects.sum() > 1 else np.ones_like(has_objects))
    for side in (True, False):
        if not np.any(in_val[able] == side):
            in_val[min(able, key=lambda g: keys[g])] = side
    return in_val


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
