"""The lowest score that a detection needs: one number for all classes, or one for each class."""

import numpy as np

from keras_centernet.errors import UserError, shown
from keras_centernet.limits import SHARE

USUAL_THRESHOLD = 0.3  # of a class without a measured one


def check_thresholds(thresholds: object) -> dict[str, float]:
    """Returns {class name: lowest score}, empty for None; a UserError unless all are from 0 to 1."""
    thresholds = {} if thresholds is None else thresholds
    if not isinstance(thresholds, dict) or not all(isinstance(name, str) for name in thresholds):
        raise UserError(f"thresholds: expected {{class name: lowest score}}, got {shown(thresholds)}.")
    return {name: float(SHARE.check(f"thresholds: {shown(name)}", value)) for name, value in thresholds.items()}


def lowest_scores(model, threshold: float | None) -> np.ndarray:
    """Returns the (C,) float32 lowest scores of a model's classes.

    Args:
        model: its `classes` are used, and its `thresholds` if it has that attribute.
        threshold: of all classes; None: the model's own, and `USUAL_THRESHOLD` for classes without one.
    """
    known = getattr(model, "thresholds", {}) if threshold is None else {}
    usual = USUAL_THRESHOLD if threshold is None else threshold
    return np.float32([known.get(name, usual) for name in model.classes])
