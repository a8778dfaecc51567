"""The page of a diagnosis: one row of `SECTIONS` for each part."""

import dataclasses
import html
import os
from collections.abc import Callable

import numpy as np

from keras_centernet.data.source import Source
from keras_centernet.diagnostics.calibration import calibration_error
from keras_centernet.diagnostics.charts import draw_calibration, draw_confusion, draw_objects, draw_score_curves
from keras_centernet.diagnostics.diagnosis import Diagnosis, diagnose
from keras_centernet.diagnostics.worst import worst_images
from keras_centernet.drawing.html_page import charts_of, figure_of, grid_of, heading_of, page_of, photos_of, table_of
from keras_centernet.evaluation.metrics.metric import number_text
from keras_centernet.evaluation.report import Report
from keras_centernet.files.atomic import write_text
from keras_centernet.files.paths import to_path

PAGE = "index.html"
THRESHOLDS = (
    "The best threshold is the score of the best F1. Training stores it in best.keras as model.thresholds, which "
    "detect uses where none is given; evaluating changes no model."
)
BOXES = "Every task, by its 2D boxes alone: keypoints and 3D boxes are not looked at."
SIZES = {"APs": "small (below 32 x 32 pixels)", "APm": "medium", "APl": "large (above 96 x 96 pixels)"}


def write_report(folder: str | os.PathLike, report: Report, source: Source | None = None) -> Diagnosis:
    """Writes a self-contained index.html into a folder; returns the numbers that it shows.

    Args:
        folder: an existing folder.
        report: `Report` of an evaluation.
        source: of the data set (`dataset.source`), whose photos are shown; None: no photos.

    Raises:
        UserError: the file cannot be written.
    """
    diagnosis = diagnose(report, source)
    write_text(to_path(folder) / PAGE, build_page(diagnosis))
    return diagnosis


def build_page(diagnosis: Diagnosis) -> str:
    """Returns the page; sections that the evaluation has nothing for are left out."""
    title = "Report: {images} images, {objects} objects".format(**diagnosis.report.metrics)
    parts = [f"<h1>{html.escape(title)}</h1>"]
    parts.append("<p>Boxes are compared at IoU 0.5; detections count from the best threshold of their class on.</p>")
    for section in SECTIONS:
        content = section.build(diagnosis)
        parts += [heading_of(section.title), f'<p class="of">{section.of}</p>', content] if content else []
    return page_of(title, parts)


def _metrics(diagnosis: Diagnosis) -> str:
    values = {key: value for key, value in diagnosis.report.metrics.items() if value is None or type(value) is float}
    rows = [(key, number_text(value)) for key, value in values.items() if not key.startswith("seconds")]
    return table_of([("metric", "value"), *rows])


def _classes(diagnosis: Diagnosis) -> str:
    objects = np.bincount(diagnosis.truth.classes[~diagnosis.truth.is_ignored], minlength=len(diagnosis.classes))
    rows = [("class", "objects", "best threshold", "precision", "recall", "F1")]
    for i, name in enumerate(diagnosis.classes):
        at = round(diagnosis.thresholds[i] * 100)
        values = [diagnosis.curves[key][i, at] for key in ("precision", "recall", "f1")]
        texts = [f"{value:.3f}" if np.isfinite(value) else "-" for value in values]
        rows.append((name, str(objects[i]), f"{diagnosis.thresholds[i]:.2f}", *texts))
    missed = diagnosis.confusion[:-1, -1]
    return charts_of([draw_objects(objects, missed, diagnosis.classes)]) + table_of(rows) + f"<p>{THRESHOLDS}</p>"


def _sizes(diagnosis: Diagnosis) -> str:
    metrics = diagnosis.report.metrics
    rows = [(text, number_text(metrics[key])) for key, text in SIZES.items() if key in metrics]
    return table_of([("objects", "AP"), *rows]) if rows else ""


def _confusion(diagnosis: Diagnosis) -> str:
    return charts_of([draw_confusion(diagnosis.confusion, diagnosis.classes)])


def _curves(diagnosis: Diagnosis) -> str:
    return charts_of([draw_score_curves(diagnosis.curves, diagnosis.thresholds, diagnosis.classes)])


def _calibration(diagnosis: Diagnosis) -> str:
    error = calibration_error(diagnosis.calibration)
    text = f"<p>Mean distance of score and precision: {error:.3f}.</p>" if np.isfinite(error) else ""
    return text + charts_of([draw_calibration(diagnosis.calibration)])


def _worst(diagnosis: Diagnosis) -> str:
    images = worst_images(diagnosis) if diagnosis.source is not None else []
    left_right = "<p>Left: the truth. Right: the detections.</p>"
    return left_right + grid_of([figure_of(*image) for image in images], "pairs") if images else ""


def _training(diagnosis: Diagnosis) -> str:
    return photos_of([diagnosis.training_batch]) if diagnosis.training_batch else ""


def _speed(diagnosis: Diagnosis) -> str:
    stages = diagnosis.report.metrics.get("stages_ms", {})
    rows = [(stage, f"{milliseconds:.2f}") for stage, milliseconds in stages.items()]
    return table_of([("stage", "milliseconds an image"), *rows]) if rows else ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: heading.
        build: function of a diagnosis that returns the HTML, or nothing if the section does not apply.
        of: the tasks that the section is meant for, and what it looks at.
    """

    title: str
    build: Callable[[Diagnosis], str]
    of: str


SECTIONS = (
    Section("Metrics", _metrics, "Every task, with the metrics of its own."),
    Section("Classes", _classes, BOXES),
    Section("AP by size", _sizes, BOXES),
    Section("Confusion", _confusion, BOXES),
    Section("Precision, recall and F1 over the score", _curves, BOXES),
    Section("Calibration of scores", _calibration, BOXES),
    Section("Worst images", _worst, BOXES),
    Section("Training images", _training, "Every task: boxes of the objects to learn, after all random changes."),
    Section("Speed by stage", _speed, "Every task."),
)
