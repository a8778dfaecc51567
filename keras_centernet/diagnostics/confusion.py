"""Which classes are confused with which, and the errors of each image."""

import numpy as np

from keras_centernet.diagnostics.matching import IGNORED, NONE, Boxes, match


def confusion(truth: Boxes, found: Boxes, thresholds: np.ndarray) -> np.ndarray:
    """Returns (C + 1, C + 1) int64 counts: rows are true classes, columns found ones, the last of both "nothing".

    The last column counts missed objects, the last row detections where no object is.

    Args:
        truth, found: objects and detections.
        thresholds: (C,) lowest score of each class that is counted.
    """
    nothing = len(thresholds)
    found = found[found.scores >= thresholds[found.classes]]
    matched = match(truth, found, within_class=False)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    is_match = matched >= 0
    np.add.at(counts, (truth.classes[matched[is_match]], found.classes[is_match]), 1)
    np.add.at(counts, (nothing, found.classes[matched == NONE]), 1)
    missed = ~truth.is_ignored
    missed[matched[is_match]] = False
    np.add.at(counts, (truth.classes[missed], nothing), 1)
    return counts


def errors_by_image(truth: Boxes, found: Boxes, thresholds: np.ndarray, image_ids: np.ndarray) -> np.ndarray:
    """Returns (n, 2) int64: missed objects and wrong detections of each image, at each class's threshold."""
    found = found[found.scores >= thresholds[found.classes]]
    matched = match(truth, found)
    missed = ~truth.is_ignored
    missed[matched[matched >= 0]] = False
    wrong = (matched < 0) & (matched != IGNORED)
    order = np.argsort(image_ids)
    counts = np.zeros((len(image_ids), 2), np.int64)
    for column, images in enumerate((truth.images[missed], found.images[wrong])):
        np.add.at(counts[:, column], order[np.searchsorted(image_ids[order], images)], 1)
    return counts
