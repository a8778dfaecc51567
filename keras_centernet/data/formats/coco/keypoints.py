"""Reads the keypoints in a COCO file: its categories' skeletons and its annotations' keypoints."""

import numpy as np

from keras_centernet.data.formats.coco.content import unexpected
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton, join_skeletons


class CocoKeypoints:
    """The concatenated keypoints of all categories of a file; categories with equal keypoint names share them.

    Args:
        categories: categories of the file; they need not have "keypoints".
        path: path of the file, for messages.

    Attributes:
        skeleton: skeleton of all keypoints together.

    Raises:
        UserError: no category has keypoints, or a skeleton contradicts itself.
    """

    def __init__(self, categories: list[dict], path: AnyPath):
        self._path = path
        skeletons = [_skeleton(category, number, path) for number, category in enumerate(categories)]
        distinct = {skeleton.names: skeleton for skeleton in skeletons if skeleton is not None}
        if not distinct:
            advice = "choose COCO's person_keypoints file, or task detection."
            raise UserError(f"{path}: expected a category with 'keypoints' (their names), got none; {advice}")
        self.skeleton = join_skeletons(list(distinct.values()))
        starts = dict(zip(distinct, np.cumsum([0, *map(len, distinct)]).tolist(), strict=False))
        self._slices = [
            slice(0, 0)
            if skeleton is None
            else slice(starts[skeleton.names], starts[skeleton.names] + len(skeleton.names))
            for skeleton in skeletons
        ]

    def of(self, entry: dict, category: int, number: int) -> np.ndarray:
        """Returns (K, 3) float64 x, y, v of an annotation; zeros for keypoints that it does not state.

        Args:
            entry: the annotation.
            category: position of its category in the list.
            number: position of the annotation in its list.

        Raises:
            UserError: the number of values is wrong, or a value is not a finite number.
        """
        keypoints = np.zeros((len(self.skeleton.names), 3))
        given, part = entry.get("keypoints"), self._slices[category]
        if given in (None, []):
            return keypoints
        expected = 3 * (part.stop - part.start)
        try:
            values = np.array(given, np.float64).reshape(-1) if isinstance(given, list) else np.zeros(0)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0)
        if len(values) != expected or not np.all(np.isfinite(values)):
            what = f"{expected} finite numbers (x, y, v of each) as keypoints"
            raise unexpected(self._path, what, number, "annotations", given)
        keypoints[part] = values.reshape(-1, 3)
        return keypoints


def _skeleton(category: dict, number: int, path: AnyPath) -> Skeleton | None:
    names = category.get("keypoints")
    if names in (None, []):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise unexpected(path, "a list of names as keypoints", number, "categories", names)
    names = tuple(map(str, names))
    if names == COCO_PERSON.names:
        return COCO_PERSON
    try:
        limbs = [(a, b) for a, b in category.get("skeleton") or ()]
        first = 0 if any(0 in limb for limb in limbs) else 1  # COCO counts from 1, some tools from 0
        limbs = tuple((a - first, b - first) for a, b in limbs)
        return Skeleton(names, category.get("flip_pairs"), limbs, tuple(category.get("sigmas") or ()))
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: category {category['name']!r}: {error}") from None
