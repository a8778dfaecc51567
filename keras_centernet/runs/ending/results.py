"""The drawings and the report of a run, from the evaluation of its best weights."""

import dataclasses

from keras_centernet.diagnostics.diagnosis import Diagnosis, diagnose
from keras_centernet.diagnostics.page import build_page
from keras_centernet.drawing import draw_curves
from keras_centernet.evaluation.report import Report
from keras_centernet.files.atomic import local_copy, write_text, write_whole
from keras_centernet.files.texts import read_content
from keras_centernet.model import CenterNet
from keras_centernet.runs.datasets import Datasets
from keras_centernet.runs.drawings.example_images import draw_examples
from keras_centernet.runs.folder import (
    BEST,
    CURVES,
    DETECTIONS,
    HISTORY,
    PRECISION_RECALL,
    REPORT,
    TRAINING_BATCH,
    RunFolder,
)


def leave_results(folder: RunFolder, model: CenterNet, data: Datasets, report: Report) -> dict[str, float]:
    """Gives the best weights their thresholds and writes the drawings and the report; returns the thresholds.

    Args:
        folder: of the run.
        model: with the best weights; saved again with the score at which each class has its best F1 as `thresholds`.
        data: of the run.
        report: of the evaluation of the model.
    """
    diagnosis = diagnose(report, data.val.source)
    model.thresholds = diagnosis.thresholds_by_class()
    write_whole(folder / BEST, model.save)
    write_whole(folder / PRECISION_RECALL, report.draw_precision_recall)
    if (folder / HISTORY).exists():
        with local_copy(folder / HISTORY) as history:
            write_whole(folder / CURVES, lambda path: draw_curves(history, path))
    write_whole(folder / DETECTIONS, lambda path: draw_examples(model, data.val, path))
    _write_report(folder, diagnosis)
    return model.thresholds


def _write_report(folder: RunFolder, diagnosis: Diagnosis) -> None:
    drawn = folder / TRAINING_BATCH
    batch = read_content(drawn) if drawn.exists() else None
    write_text(folder / REPORT, build_page(dataclasses.replace(diagnosis, training_batch=batch)))
