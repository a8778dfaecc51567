"""Skeletons: what is known about the keypoints of a class, as data."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence

from keras_centernet.errors import UserError, first_line, shown

USUAL_SIGMA = 0.05  # default OKS sigma for keypoints without a measured one
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")  # several in "LeftEye", "eyeL" and "l_eye2"
_LEFT, _RIGHT = ("left", "l", "lt"), ("right", "r", "rt")
_SIDES = dict.fromkeys(_LEFT, -1) | dict.fromkeys(_RIGHT, 1)


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """The keypoints of a class: K names and what belongs to them. Lists, as in JSON, become tuples.

    Attributes:
        names: of the keypoints, in their order.
        flip_pairs: pairs of keypoints that are exchanged in a mirror image, such as left and right eye; None finds them
            by their names, see `left_right_pairs`.
        limbs: pairs of keypoints that a drawing connects.
        sigmas: K numbers: how far apart people mark the same keypoint, relative to the object's size (COCO's
            "kpt_oks_sigmas"); empty: `USUAL_SIGMA` for all.
        sides_known: whether `flip_pairs` are complete. False if the names of several keypoints gave no pair: a mirror
            image can then have keypoints with wrong names.

    Raises:
        UserError: a name occurs twice, a keypoint is in two flip pairs or does not exist, or sigmas are not K positive
            numbers.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...] | None = ()
    limbs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    sides_known: bool = True

    def __post_init__(self):
        count = len(self.names)
        object.__setattr__(self, "names", tuple(self.names))
        if self.flip_pairs is None:
            object.__setattr__(self, "flip_pairs", left_right_pairs(self.names))
            object.__setattr__(self, "sides_known", bool(self.flip_pairs) or count == 1)
        for key in ("flip_pairs", "limbs"):
            object.__setattr__(self, key, _pairs(key, getattr(self, key), count))
        object.__setattr__(self, "sigmas", tuple(self.sigmas) or (USUAL_SIGMA,) * count)
        if not count or len(set(self.names)) != count:
            raise UserError(f"skeleton: expected different names of keypoints, got {list(self.names)}.")
        paired = [keypoint for pair in self.flip_pairs for keypoint in pair]
        if len(set(paired)) != len(paired):
            raise UserError(f"skeleton: expected every keypoint in one flip pair at most, got {list(self.flip_pairs)}.")
        if len(self.sigmas) != count or min(self.sigmas) <= 0:
            raise UserError(f"skeleton: expected {count} positive sigmas, got {list(self.sigmas)}.")

    @property
    def flip_order(self) -> list[int]:
        """K indices: the keypoint of an image that becomes each keypoint of its mirror image."""
        order = list(range(len(self.names)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order

    def to_dict(self) -> dict:
        """Returns plain lists and numbers, from which `Skeleton.of` makes an equal skeleton."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def of(cls, value: "Skeleton | Mapping") -> "Skeleton":
        """Returns a skeleton unchanged, or makes it from its `to_dict()`; a UserError for anything else."""
        if isinstance(value, cls):
            return value
        try:
            return cls(**value)
        except TypeError as error:
            expected = f"expected a Skeleton or its to_dict(), got {shown(value)}"
            raise UserError(f"skeleton: {expected} ({first_line(error)}).") from None


def left_right_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Returns the pairs (left, right) of keypoints whose names differ only in their side.

    A side is a word of the name: "left", "L" or "lt", "right", "R" or "rt". It can also be part of a word, as in
    "lefteye", or its first letter, as in "leye" if there is a "reye".

    Examples:
        >>> left_right_pairs(["nose", "left_eye", "right_eye", "earL", "earR", "l_hip", "r_hip"])
        ((1, 2), (3, 4), (5, 6))
    """
    pairs, paired = [], set()
    for parts_of in (_words, _joined_words, _initials):
        numbers = {}
        for i, name in enumerate(names):
            if i not in paired and any(side in _SIDES.values() for side in parts_of(name)):
                numbers.setdefault(parts_of(name), i)
        for parts, left in numbers.items():
            right = numbers.get(tuple(-part if isinstance(part, int) else part for part in parts))
            if right is not None and next(part for part in parts if isinstance(part, int)) < 0:
                pairs.append((left, right))
                paired |= {left, right}
    return tuple(sorted(pairs))


def _words(name: str) -> tuple[str | int, ...]:
    """Returns the words of a name in lower case, -1 and 1 in place of left and right."""
    words = (word.casefold() for word in _WORD.findall(name))
    return tuple(_SIDES.get(word, word) for word in words)


def _joined_words(name: str) -> tuple[str | int, ...]:
    """Returns the same for names with a side inside a word: "lefteye"."""
    parts = re.split("(left|right)", name.casefold())
    return tuple(_SIDES.get(part, part) for part in parts if part)


def _initials(name: str) -> tuple[str | int, ...]:
    """Returns the same for names whose first letter is the side: "leye"."""
    folded = name.casefold()
    return (_SIDES[folded[0]], folded[1:]) if folded[:1] in _SIDES and len(folded) > 2 else (folded,)


def join_skeletons(skeletons: Sequence[Skeleton]) -> Skeleton:
    """Returns one skeleton with the keypoints of all, one after the other, for several classes with keypoints."""
    if len(skeletons) == 1:
        return skeletons[0]
    names, flip_pairs, limbs, sigmas = [], [], [], []
    for i, skeleton in enumerate(skeletons):
        start = len(names)
        flip_pairs += [(a + start, b + start) for a, b in skeleton.flip_pairs]
        limbs += [(a + start, b + start) for a, b in skeleton.limbs]
        sigmas += skeleton.sigmas
        names += [f"{name}_{i}" for name in skeleton.names]
    sides_known = all(skeleton.sides_known for skeleton in skeletons)
    return Skeleton(tuple(names), tuple(flip_pairs), tuple(limbs), tuple(sigmas), sides_known)


def _pairs(key: str, pairs, count: int) -> tuple[tuple[int, int], ...]:
    pairs = tuple(tuple(int(keypoint) for keypoint in pair) for pair in pairs)
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= keypoint < count for keypoint in pair):
            raise UserError(f"skeleton: expected {key} of two different keypoints from 0 to {count - 1}, got {pair}.")
    return pairs


_PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_PERSON = ("nose", *(f"{side}_{part}" for part in _PARTS for side in ("left", "right")))
_PERSON_LIMBS = (
    ((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8))
    + ((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6))
)  # fmt: skip
_PERSON_SIGMAS = (
    (0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072)
    + (0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
)  # fmt: skip
COCO_PERSON = Skeleton(_PERSON, left_right_pairs(_PERSON), _PERSON_LIMBS, _PERSON_SIGMAS)
