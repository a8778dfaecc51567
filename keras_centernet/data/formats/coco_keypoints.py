"""The keypoints in a COCO file: its categories' skeletons and its annotations' keypoints."""

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton, join_skeletons, left_right_pairs


class CocoKeypoints:
    """The keypoints of all categories of a file, one after the other; categories with equal ones share them.

    Args:
        categories: of the file; those without "keypoints" have none.
        path: of the file, for messages.

    Attributes:
        skeleton: of all keypoints together.

    Raises:
        UserError: no category has keypoints, or a skeleton contradicts itself.
    """

    def __init__(self, categories: list[dict], path: AnyPath):
        self._path = path
        named = {category["id"]: tuple(category["keypoints"]) for category in categories if category.get("keypoints")}
        if not named:
            advice = "choose COCO's person_keypoints file, or task detection."
            raise UserError(f"{path}: expected a category with 'keypoints' (their names), got none; {advice}")
        skeletons = {names: _skeleton(c, path) for c in categories if (names := named.get(c["id"]))}
        self.skeleton = join_skeletons(list(skeletons.values()))
        starts = dict(zip(skeletons, np.cumsum([0, *map(len, skeletons)]), strict=False))
        self._slices = {key: slice(starts[names], starts[names] + len(names)) for key, names in named.items()}

    def read(self, entries: list[dict]) -> np.ndarray:
        """Returns (N, K, 3) float32 x, y, v of annotations; zeros where none are given.

        Raises:
            UserError: a wrong number of values, or other than numbers.
        """
        keypoints = np.zeros((len(entries), len(self.skeleton.names), 3), np.float32)
        for i, entry in enumerate(entries):
            values = entry.get("keypoints")
            if not values:
                continue
            part = self._slices.get(entry["category_id"], slice(0, 0))
            expected = 3 * (part.stop - part.start)
            try:
                values = np.asarray(values, np.float32).reshape(-1)
            except (TypeError, ValueError):
                values = np.zeros(0)
            if len(values) != expected or not np.all(np.isfinite(values)):
                what = f"{expected} finite numbers (x, y, v of each) as keypoints of annotation {entry.get('id')}"
                raise UserError(f"{self._path}: expected {what}, got {str(entry['keypoints'])[:60]}.")
            keypoints[i, part] = values.reshape(-1, 3)
        return keypoints


def _skeleton(category: dict, path: AnyPath) -> Skeleton:
    names = tuple(str(name) for name in category["keypoints"])
    if names == COCO_PERSON.names:
        return COCO_PERSON
    try:
        return Skeleton(
            names,
            tuple(category.get("flip_pairs") or left_right_pairs(names)),
            tuple((a - 1, b - 1) for a, b in category.get("skeleton") or ()),  # COCO counts from 1
            tuple(category.get("sigmas") or ()),
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: category {category['name']!r}: {error}") from None
