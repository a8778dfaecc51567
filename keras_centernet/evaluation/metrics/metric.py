"""What a metric is: a row of the table `METRICS`, and an accumulator that is fed image by image."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Accumulator:
    """Gathers what one metric needs and computes it; metrics that need only boxes override only `compute`.

    Attributes:
        curves: {class name: {"recall", "precision", "score": (R,) float64}} of the last `compute`, if it made any.
    """

    def __init__(self, detector, classes: Sequence[str]):
        self.detector, self.classes, self.curves = detector, classes, {}

    def add(self, objects: dict, found: dict, annotations: list[dict]) -> None:
        """Adds one image.

        Args:
            objects: {key: (M, ...)} its rows of the batch, in the input frame.
            found: {key: (N, ...)} its decoded detections, in original image pixels.
            annotations: its objects as COCO annotations, one per true entry of `objects["mask"]`.
        """

    def compute(self, ground_truth: dict, detections: list[dict], change: Callable = list) -> dict:
        """Returns {name: number, or None if it is not defined}, and nested dicts of them.

        Args:
            ground_truth: COCO-format dict of all images.
            detections: rows of a COCO results file, of all images.
            change: function of detection rows -> rows, applied before comparing, such as rounding.
        """
        raise NotImplementedError

    def results(self, detections: list[dict]) -> Any:
        """Returns what `Metric.write` writes, or None."""


def no_tables(metrics: dict) -> list[list[tuple[str, ...]]]:
    """Returns no tables: for metrics whose numbers are all in the summary."""
    return []


def mean_of_defined(values: Sequence[float | None]) -> float | None:
    """Returns the mean of the numbers among the values; None: there are none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def number_text(value: float | None, decimals: int = 3) -> str:
    """Returns a cell of a table; "-" stands for None."""
    return "-" if value is None else f"{value:.{decimals}f}"


@dataclasses.dataclass(frozen=True)
class Metric:
    """One row of the table of metrics.

    Attributes:
        build: function (detector, classes) -> `Accumulator`.
        names: the numbers of the summary, in order: keys of what `compute` returns.
        logged: those of them that `AveragePrecision` logs.
        main: the one that tells which of two models is better, or None.
        needs_objects, needs_found: keys of a batch's objects and of detections; the metric is left out without them.
        tables: function (metrics) -> further tables of the report, each a list of rows of texts, heading first.
        write: function (results, folder, category_ids, image_ids) -> paths of files for an evaluation server, or None;
            see `Report.write_results`. `image_ids` maps ids to the data set's own; those that are the same are missing.
        writes_alone: whether the server expects no files of other metrics.
    """

    build: Callable
    names: tuple[str, ...]
    logged: tuple[str, ...] = ()
    main: str | None = None
    needs_objects: tuple[str, ...] = ()
    needs_found: tuple[str, ...] = ()
    tables: Callable = no_tables
    write: Callable | None = None
    writes_alone: bool = False

    def applies(self, objects: dict, found: dict) -> bool:
        """Whether objects and detections hold what the metric needs."""
        return set(self.needs_objects) <= objects.keys() and set(self.needs_found) <= found.keys()
