"""From which score on a detection counts: one number for all classes, or each class' own."""

import numpy as np

from keras_centernet.errors import UserError, shown
from keras_centernet.limits import SHARE

USUAL_THRESHOLD = 0.3  # of a class of which nothing was measured


def check_thresholds(thresholds: object) -> dict[str, float]:
    """Returns {class name: lowest score}; None is none at all. Raises a UserError unless they are from 0 to 1."""
    thresholds = {} if thresholds is None else thresholds
    if not isinstance(thresholds, dict) or not all(isinstance(name, str) for name in thresholds):
        raise UserError(f"thresholds: expected {{class name: lowest score}}, got {shown(thresholds)}.")
    return {name: float(SHARE.check(f"thresholds: {shown(name)}", value)) for name, value in thresholds.items()}


def lowest_scores(model, threshold: float | None) -> np.ndarray:
    """Returns the (C,) float32 lowest scores of a model's classes.

    Args:
        model: its `classes` count, and its `thresholds` if it has any.
        threshold: of all classes; None: those of the model, `USUAL_THRESHOLD` where it has none.
    """
    known = getattr(model, "thresholds", {}) if threshold is None else {}
    usual = USUAL_THRESHOLD if threshold is None else threshold
    return np.float32([known.get(name, usual) for name in model.classes])
