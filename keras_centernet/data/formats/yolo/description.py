"""What a YOLO data set states about itself, whichever file states it."""

import dataclasses

from keras_centernet.files.paths import AnyPath, exists
from keras_centernet.tasks.skeletons import Skeleton

Names = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Keypoints:
    """The keypoints that label files hold after the box of an object.

    Attributes:
        count: number of keypoints of each object.
        values: numbers per keypoint: 2 (x, y) or 3 (x, y, visibility).
        skeleton: names of the keypoints, and which are left and right.
    """

    count: int
    values: int
    skeleton: Skeleton


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a data set before its images are looked for.

    Attributes:
        path: the file that describes the data set; without one, the folder.
        folders: where entries of splits are looked for, in this order.
        names: names of the classes, in order; None: only the numbers in the label files are known.
        splits: {name: folders of images and lists of images, as written}; empty: not stated.
        keypoints: keypoints of each object; None: label files hold boxes and polygons.
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
