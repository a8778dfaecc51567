"""Which files a shard has, and in which parts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.texts import shorten

PART_SIZE = 256


@dataclass(frozen=True)
class Shard:
    """Share `index` of `count`, counted from 0 like the indices of a scheduler's array.

    Examples:
        >>> Shard.parse("2/16").name
        'detections-00002-of-00016'
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Returns the shard that a text names.

        Raises:
            UserError: it is not I/N with 0 <= I < N.
        """
        numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not numbers or int(numbers[1]) >= int(numbers[2]):
            example = "such as 0/16 for the first and 15/16 for the last of 16"
            raise UserError(f"expected I/N with 0 <= I < N, {example}; got {shorten(repr(text))}")
        return cls(int(numbers[1]), int(numbers[2]))

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"detections-{self.index:05d}-of-{self.count:05d}"


def list_parts(shard: Shard, images: Sequence[AnyPath], videos: Sequence[str], size: int) -> list[list[AnyPath] | str]:
    """Returns the parts of a share, in order: lists of at most `size` images, and each video by itself.

    The share is every `count`-th file of all, sorted by name, images first: it depends on the names alone.
    """
    files = [*sorted(images, key=str), *sorted(videos)]
    share = files[shard.index :: shard.count]
    images = [file for file in share if not isinstance(file, str)]
    return [images[start : start + size] for start in range(0, len(images), size)] + share[len(images) :]
