"""Whether a score of 0.7 is right in 7 of 10 cases."""

import numpy as np

from keras_centernet.diagnostics.matching import IGNORED, Boxes, match

BINS = 10


def calibration(truth: Boxes, found: Boxes) -> dict[str, np.ndarray]:
    """Returns {"count" int64, "score", "precision": (10,) float64} of the detections in each tenth of scores 0..1.

    "score" is their mean score and "precision" the share that found an object; both are NaN without detections.
    """
    matched = match(truth, found)
    counted = matched != IGNORED
    scores, right = found.scores[counted], matched[counted] >= 0
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean, precision = (np.bincount(bins, weights, BINS) / count for weights in (scores, right))
    return {"count": count, "score": mean, "precision": precision}


def calibration_error(bins: dict[str, np.ndarray]) -> float:
    """Returns the mean distance between score and precision, weighted by counts; NaN without detections."""
    count = bins["count"]
    gaps = np.nan_to_num(np.abs(bins["score"] - bins["precision"]))
    return float(gaps @ count / count.sum()) if count.sum() else float("nan")
