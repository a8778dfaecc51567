"""Precision, recall and F1 over the score, and the best threshold of each class."""

import numpy as np

from keras_centernet.detecting.thresholds import USUAL_THRESHOLD
from keras_centernet.diagnostics.matching import IGNORED, Boxes, match

SCORES = np.linspace(0, 1, 101)


def score_curves(truth: Boxes, found: Boxes, classes: int) -> dict[str, np.ndarray]:
    """Returns {"precision", "recall", "f1": (C, 101) float64} of the detections that score at least each of `SCORES`.

    Precision is NaN if no detection is kept, and recall is NaN if a class has no object; F1 is then 0.
    """
    matched = match(truth, found)
    objects = np.bincount(truth.classes[~truth.is_ignored], minlength=classes)
    right, kept = np.zeros((2, classes, len(SCORES)))
    for i in range(classes):
        ours = (found.classes == i) & (matched != IGNORED)
        for counts, which in ((kept, ours), (right, ours & (matched >= 0))):
            scores = np.sort(found.scores[which])
            counts[i] = len(scores) - np.searchsorted(scores, SCORES)
    sums = kept + objects[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = right / kept, right / objects[:, None]
        return {"precision": precision, "recall": recall, "f1": np.where(sums > 0, 2 * right / sums, 0)}


def best_thresholds(curves: dict[str, np.ndarray]) -> np.ndarray:
    """Returns (C,) float64: the score of the best F1 of each class, or the middle of the first range of equal ones.

    A class whose best F1 is 0 gets `USUAL_THRESHOLD`.
    """
    f1 = curves["f1"]
    best = f1.max(axis=1, keepdims=True)
    is_best = f1 >= best - 1e-12
    first = is_best.argmax(axis=1)
    after = np.where(np.arange(f1.shape[1]) > first[:, None], ~is_best, False)
    last = np.where(after.any(axis=1), after.argmax(axis=1), f1.shape[1]) - 1
    return np.where(best[:, 0] > 0, SCORES[(first + last) // 2], USUAL_THRESHOLD)
