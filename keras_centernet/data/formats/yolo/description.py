"""What a YOLO data set says of itself, whichever file says it."""

import dataclasses

from keras_centernet.files.paths import AnyPath, exists
from keras_centernet.tasks.skeletons import Skeleton

Names = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Keypoints:
    """What label files hold behind the box of an object.

    Attributes:
        count: keypoints of each object.
        values: of each keypoint: 2 (x, y) or 3 (x, y, visibility).
        skeleton: their names and sides.
    """

    count: int
    values: int
    skeleton: Skeleton


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a data set before its images are looked for.

    Attributes:
        path: the file that says it; where there is none, the folder.
        folders: where entries of splits are looked for, first in the first one.
        names: of the classes, in order; None: label files have numbers alone.
        splits: {name: folders of images and lists of images, as written}; empty: folders are named after splits.
        keypoints: of each object; None: label files hold boxes and polygons.
    """

    path: AnyPath
    folders: tuple[AnyPath, ...]
    names: Names | None = None
    splits: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    keypoints: Keypoints | None = None

    @property
    def root(self) -> AnyPath:
        """The folder of the data set, or of the file that describes it."""
        return next((folder for folder in self.folders if exists(folder)), self.folders[-1])
