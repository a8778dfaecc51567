"""What is asked of a reader."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

from keras_centernet.data.image_headers import MAX_PIXELS
from keras_centernet.files.paths import AnyPath, to_path

VAL_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class DataRequest:
    """One split of one data set.

    Attributes:
        data: folder, file, pattern or name.
        split: name of the split; a reader that has `Format.splits` gets one of those, or None where there are none.
        annotations: where the annotations are, if not in their usual place; what it may be is the format's matter.
        images: folder of the images, if not in its usual place.
        classes: names in the wanted order, the others are left out; None: those of the data set.
        class_map: {name in the data set: name to use instead}.
        ignore_case: whether class names that differ only in upper and lower case are the same.
        strict: stop at the first missing or unreadable image instead of skipping it.
        fields: names of what the objects must know besides class and box, see `data.fields`.
        val_share: share of the images that become the split "val" where the data set has none; 0: no split is made,
            and each name means all images.
        holds_out: name of the split out of which "val" is held, "train" is the rest of it; None: all images of a data
            set without splits, and nothing of one with splits.
        made_split: {"train": image names, "val": image names} that were made before; None makes them.
        max_pixels: of one image; a larger one is refused before it is decoded.
    """

    data: str | os.PathLike
    split: str | None = "train"
    annotations: str | os.PathLike | None = None
    images: str | os.PathLike | None = None
    classes: tuple[str, ...] | None = None
    class_map: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ignore_case: bool = False
    strict: bool = False
    fields: tuple[str, ...] = ()
    val_share: float = VAL_SHARE
    holds_out: str | None = None
    made_split: Mapping[str, Sequence[str]] | None = None
    max_pixels: int = MAX_PIXELS

    @property
    def path(self) -> AnyPath:
        """`data` as a path."""
        return to_path(self.data)

    @property
    def name(self) -> str:
        """For messages: the data and its split."""
        return f"{self.data} ({self.split or 'all'})"
