"""What is asked of a reader."""

import dataclasses
import os

from keras_centernet.files.paths import AnyPath, to_path


@dataclasses.dataclass(frozen=True)
class DataRequest:
    """One split of one data set. A reader is a function `read_x(request) -> Source`.

    Attributes:
        data: folder, file, pattern or name.
        split: name of the split.
        annotations: where the annotations are, if not in their usual place; what it may be is the format's matter.
        images: folder of the images, if not in its usual place.
        classes: names in the wanted order; None: those of the data set.
        strict: stop at the first missing or unreadable image instead of skipping it.
        fields: names of what the objects must know besides class and box, see `data.fields`.
    """

    data: str | os.PathLike
    split: str = "train"
    annotations: str | os.PathLike | None = None
    images: str | os.PathLike | None = None
    classes: tuple[str, ...] | None = None
    strict: bool = False
    fields: tuple[str, ...] = ()

    @property
    def path(self) -> AnyPath:
        """`data` as a path."""
        return to_path(self.data)

    @property
    def name(self) -> str:
        """For messages: the data and its split."""
        return f"{self.data} ({self.split})"
