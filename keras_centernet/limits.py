"""Limits of numbers: put into words and checked in one place, for options, arguments and files."""

import dataclasses
import math
import numbers
from collections.abc import Sequence

from keras_centernet.errors import UserError
from keras_centernet.texts import repr_of, shorten

LARGEST_WHOLE = 2**31 - 1  # of counts and sizes in TensorFlow; whole numbers without another limit end here
LARGEST_SIDE = 2**14  # of an input: its float32 images already take 3 GiB each
# The words for a limit: for the first one in a sentence, and for one after "and".
WORDS = {
    "above": ("above", "above"),
    "at_least": ("of at least", "at least"),
    "at_most": ("of at most", "at most"),
    "below": ("below", "below"),
}


@dataclasses.dataclass(frozen=True)
class Limits:
    """The values that a number can have; NaN, infinity and booleans are never among them.

    Attributes:
        whole: whether only whole numbers are allowed.
        above, at_least, at_most, below: its limits; "above" and "below" exclude the limit.

    Examples:
        >>> str(Limits(above=0, at_most=1)), str(Limits(whole=True, at_least=1)), str(Limits())
        ('a number above 0 and at most 1', 'a whole number of at least 1', 'a finite number')
    """

    whole: bool = False
    above: float = -math.inf
    at_least: float = -math.inf
    at_most: float = math.inf
    below: float = math.inf

    def __str__(self) -> str:
        limits = [(name, getattr(self, name)) for name in WORDS if math.isfinite(getattr(self, name))]
        said = [f"{WORDS[name][bool(i)]} {limit}" for i, (name, limit) in enumerate(limits)]
        is_open = all(name in ("above", "at_least") for name, _ in limits)
        what = "a whole number" if self.whole else "a finite number" if is_open else "a number"
        return f"{what} {' and '.join(said)}".rstrip()

    def check(self, name: str, value) -> int | float:
        """Returns the value as an int or float; raises a UserError that begins with `name` if it is not allowed."""
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            raise UserError(f"{name}: expected {self}, got {shorten(repr_of(value))}.")
        if not self._holds(value):
            capped = dataclasses.replace(self, at_most=LARGEST_WHOLE)
            expected = capped if self.whole and value > LARGEST_WHOLE and self.at_most == math.inf else self
            raise UserError(f"{name}: expected {expected}, got {shorten(repr_of(value))}.")
        return int(value) if self.whole else value if type(value) is int else float(value)

    def _holds(self, value) -> bool:
        at_most = LARGEST_WHOLE if self.whole and self.at_most == math.inf else self.at_most
        try:
            is_finite = math.isfinite(value)
        except OverflowError:  # a whole number too large for a float
            is_finite = self.whole
        return is_finite and self.above < value < self.below and self.at_least <= value <= at_most


COUNT = Limits(whole=True, at_least=1)
INDEX = Limits(whole=True, at_least=0)
SEED = Limits(whole=True, at_least=0, at_most=2**32 - 1)  # of NumPy's generator
SHARE = Limits(at_least=0, at_most=1)
SCALE = Limits(at_least=1 / 64, at_most=64)  # of an image's size in a test


def check_side(name: str, value: int | Sequence[int], multiple_of: int) -> tuple[int, int]:
    """Returns (height, width) of an input, given one side or a pair of them.

    Raises:
        UserError: a side is not a positive multiple of `multiple_of`, or is larger than `LARGEST_SIDE`.
    """
    try:
        sides = tuple(value)
    except TypeError:
        sides = (value, value)
    limits = Limits(whole=True, at_least=multiple_of, at_most=LARGEST_SIDE)
    try:
        checked = tuple(limits.check(name, side) for side in sides)
        is_right = len(sides) == 2 and not any(side % multiple_of for side in checked)
    except UserError:
        is_right = False
    if not is_right:
        expected = f"a positive multiple of {multiple_of} or a (height, width) pair of them, at most {LARGEST_SIDE}"
        raise UserError(f"{name}: expected {expected}, got {shorten(repr_of(value))}{_advice(sides, multiple_of)}.")
    return checked


def _advice(sides: tuple, multiple_of: int) -> str:
    if len(sides) != 2 or not all(isinstance(side, numbers.Real) and 0 < side <= LARGEST_SIDE for side in sides):
        return ""
    height, width = (max(1, round(side / multiple_of)) * multiple_of for side in sides)
    return f"; try {height if height == width else (height, width)}"
