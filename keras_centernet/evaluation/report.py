"""The result of an evaluation."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keras_centernet.drawing.text_table import align
from keras_centernet.evaluation.metrics.metric import number_text
from keras_centernet.evaluation.metrics.table import METRICS, main_metric
from keras_centernet.files.atomic import write_text
from keras_centernet.files.outputs import open_folder
from keras_centernet.files.paths import to_path

# Where an image's time goes; loading and preprocessing run in their own threads, at the same time as the rest.
STAGES = ("load", "preprocess", "network", "decode", "merge")


@dataclass(eq=False, repr=False)
class Report:
    """The metrics of one evaluation; printing it shows the table.

    Attributes:
        metrics: the values of all `METRICS` that apply: numbers (None if no object defines them) and nested dicts
            such as "per_class" {name: {"AP", "AP50"}}; "images", "objects", "seconds" (the whole evaluation),
            "seconds_network" (network and decoding), "seconds_metrics", "stages_ms" {stage: milliseconds an image};
            "rounded": the metrics of detections rounded to two decimals, if they were asked for.
        detections: rows of a COCO results file; category id = class index + 1.
        precision_recall: {class name: {"recall", "precision", "score": (101,) float64}} at IoU 0.5, only for
            classes with objects.
        ground_truth: COCO-format dict that the detections were compared with.
        results: {key of `METRICS`: results that `write_results` writes, or None}.
    """

    metrics: dict
    detections: list = field(default_factory=list)
    precision_recall: dict = field(default_factory=dict)
    ground_truth: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.table()

    @property
    def main(self) -> tuple[str | None, float | None]:
        """The name and value of the metric that tells which of two models is better."""
        name = main_metric(self.metrics)
        return name, self.metrics.get(name)

    def table(self) -> str:
        """Returns the metrics as aligned text: the summary, then the metrics' own tables in the order of `METRICS`."""
        columns = [self.metrics] + ([self.metrics["rounded"]] if "rounded" in self.metrics else [])
        heading = ("metric", "value", "two decimals")[: len(columns) + 1]
        names = [name for row in METRICS.values() for name in row.names if name in self.metrics]
        summary = [heading, *((name, *(number_text(column.get(name)) for column in columns)) for name in names)]
        tables = [summary, *(table for row in METRICS.values() for table in row.tables(self.metrics))]
        parts = [align(table) for table in tables]
        parts.append(
            f"{self.metrics['images']} images in {self.metrics['seconds']:.1f} s "
            f"(network and decoding {self.metrics['seconds_network']:.1f} s, "
            f"metrics {self.metrics['seconds_metrics']:.1f} s)"
        )
        if "stages_ms" in self.metrics:
            times = ", ".join(f"{stage} {time:.2f}" for stage, time in self.metrics["stages_ms"].items())
            parts[-1] += f"\nmilliseconds an image: {times} (load and preprocess in threads of their own)"
        return "\n\n".join(parts)

    def save(self, path: str | os.PathLike, **more) -> None:
        """Writes the metrics as JSON, undefined ones as null, and the keys of `more`, such as the command that ran.

        Raises:
            UserError: the file cannot be written.
        """
        write_text(path, json.dumps({**self.metrics, **more}, indent=2, allow_nan=False) + "\n")

    def write_results(
        self,
        folder: str | os.PathLike,
        category_ids: Sequence | None = None,
        image_ids: Mapping[int, object] | None = None,
    ) -> list[str]:
        """Writes what the data set's evaluation server expects, such as COCO's JSON; returns the paths.

        Args:
            folder: made if it is missing.
            category_ids: the data set's id of each class (`dataset.source.category_ids`); None: class index + 1. Rows
                of classes whose id is None are left out.
            image_ids: {image id: the data set's own} (`dataset.source.own_image_ids`); None: they are the same.

        Raises:
            UserError: the folder cannot be written.
        """
        folder = to_path(folder)
        rows = {name: row for name, row in METRICS.items() if row.write and self.results.get(name) is not None}
        rows = {name: row for name, row in rows.items() if row.writes_alone} or rows
        open_folder(folder, "results")
        ids = category_ids, image_ids or {}
        return [path for name, row in rows.items() for path in row.write(self.results[name], folder, *ids)]

    def draw_precision_recall(self, path: str | os.PathLike) -> None:
        """Draws precision over recall at IoU 0.5, one line per class, into a file.

        Raises:
            UserError: the file cannot be written.
        """
        from keras_centernet.drawing import draw_precision_recall

        classes = [row["name"] for row in self.ground_truth.get("categories", ())]
        draw_precision_recall(self.precision_recall, path, classes=classes or None)
