"""The request that a reader answers."""

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
        split: name of the split; a reader whose format has `Format.splits` gets one of these, or None if there are
            none.
        annotations: path of the annotations, if not in their usual place; the format says what it can be.
        images: folder of the images, if not in its usual place.
        classes: names in the wanted order; other classes are left out. None: the classes of the data set.
        class_map: {name in the data set: name to use instead}.
        ignore_case: whether class names that differ only in upper and lower case are the same.
        strict: stop at the first missing or unreadable image instead of skipping it.
        fields: names of the fields that the task needs besides class and box, see `data.fields`.
        val_share: share of the images that become the split "val" if the data set has no splits; 0: no split is made,
            and each name means all images.
        holds_out: name of the split from which "val" is held out; "train" is the rest of it. None: "val" is held out of
            all images of a data set without splits, and no split is made for one with splits.
        made_split: {"train": image names, "val": image names} that were made before; None makes them.
        max_pixels: most pixels of one image; a larger one is refused before it is decoded.
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
        """The data and its split, for messages."""
        return f"{self.data} ({self.split or 'all'})"
