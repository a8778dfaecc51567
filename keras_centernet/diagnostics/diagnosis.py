"""The numbers of a diagnosis, from the report of an evaluation."""

import dataclasses

import numpy as np

from keras_centernet.data.source import Source
from keras_centernet.diagnostics.calibration import calibration
from keras_centernet.diagnostics.confusion import confusion, errors_by_image
from keras_centernet.diagnostics.curves import best_thresholds, score_curves
from keras_centernet.diagnostics.matching import Boxes, boxes_of
from keras_centernet.evaluation.report import Report

LEAST_F1 = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """What a detector gets right and wrong; C classes, n images.

    Attributes:
        report: the evaluation's `Report`.
        source: of the data set, for its photos; None: no images are shown.
        classes: names.
        truth, found: objects and detections in image pixels.
        curves: of `score_curves`.
        thresholds: (C,) score of the best F1 of each class, from which on `confusion` and `errors` count detections.
        confusion: (C + 1, C + 1) counts.
        calibration: of `calibration`.
        image_ids: (n,).
        errors: (n, 2) missed objects and wrong detections.
        training_batch: JPEG file of training images as the network saw them, if a run kept them.
    """

    report: Report
    source: Source | None
    classes: tuple[str, ...]
    truth: Boxes
    found: Boxes
    curves: dict
    thresholds: np.ndarray
    confusion: np.ndarray
    calibration: dict
    image_ids: np.ndarray
    errors: np.ndarray
    training_batch: bytes | None = None

    def thresholds_by_class(self) -> dict[str, float]:
        """Returns {class name: score of its best F1} for `model.thresholds`, of classes with an F1 of at least 0.1.

        The model finds the other classes too badly for their best score to mean anything.
        """
        best = self.curves["f1"].max(axis=1)
        rows = zip(self.classes, self.thresholds, best, strict=True)
        return {name: round(float(score), 2) for name, score, f1 in rows if f1 >= LEAST_F1}


def diagnose(report: Report, source: Source | None = None) -> Diagnosis:
    """Returns the `Diagnosis` of an evaluation's `Report`; `source` is where its images come from."""
    classes = tuple(row["name"] for row in report.ground_truth["categories"])
    truth, found = boxes_of(report.ground_truth["annotations"]), boxes_of(report.detections)
    curves = score_curves(truth, found, len(classes))
    thresholds = best_thresholds(curves)
    image_ids = np.array([row["id"] for row in report.ground_truth["images"]], np.int64)
    return Diagnosis(
        report,
        source,
        classes,
        truth,
        found,
        curves,
        thresholds,
        confusion(truth, found, thresholds),
        calibration(truth, found),
        image_ids,
        errors_by_image(truth, found, thresholds, image_ids),
    )
