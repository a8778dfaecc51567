"""What an evaluation found out."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path

SUMMARY = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "VOC07_mAP50", "VOC_mAP50")
# Where an image's time goes; loading and preprocessing run beside the rest, in threads of their own.
STAGES = ("load", "preprocess", "network", "decode", "merge")
FURTHER_SUMMARY = ("OKS_AP", "OKS_AP50", "OKS_AP75", "OKS_APm", "OKS_APl", "OKS_AR", "AP_3D")


@dataclass(eq=False, repr=False)
class Report:
    """The metrics of one evaluation; printing it shows the table.

    Attributes:
        metrics: the keys of `SUMMARY` (float in 0..1, or None where no object defines them), "per_class"
            {name: {"AP", "AP50"}}, "images", "objects", "seconds" (all of it), "seconds_network" (network and
            decoding), "seconds_metrics", "stages_ms" {stage: milliseconds an image}; "rounded": the figures again, of
            detections with two decimals, where they were asked for.
        detections: rows of a COCO results file; category id = class index + 1.
        precision_recall: {class name: {"recall", "precision", "score": (101,) float64}} at IoU 0.5, only
            classes with objects.
        ground_truth: COCO-format dict that the detections were compared with.
        results: what else there is to be handed in: "keypoints" (rows of a COCO results file), "kitti" ({image id:
            `KittiObjects`}).
    """

    metrics: dict
    detections: list = field(default_factory=list)
    precision_recall: dict = field(default_factory=dict)
    ground_truth: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Returns the metrics as aligned text: the summary, then the classes, best known terms first."""
        names = [*SUMMARY, *(name for name in FURTHER_SUMMARY if name in self.metrics)]
        columns = [self.metrics] + [self.metrics[key] for key in ("rounded",) if key in self.metrics]
        heading = ("metric", "value", "two decimals")[: len(columns) + 1]
        summary = [heading, *((name, *(_number(column.get(name)) for column in columns)) for name in names)]
        classes = [
            (name, _number(row["AP"]), _number(row["AP50"])) for name, row in self.metrics.get("per_class", {}).items()
        ]
        parts = [_aligned(summary)]
        if classes:
            parts.append(_aligned([("class", "AP", "AP50"), *classes]))
        if "kitti" in self.metrics:
            parts.append(_aligned(_kitti_rows(self.metrics["kitti"])))
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
        """Writes the metrics as JSON; undefined ones are null.

        Args:
            path: file to write.
            **more: further keys of the file, such as the command that made it.

        Raises:
            UserError: the file cannot be written.
        """
        text = json.dumps({**self.metrics, **more}, indent=2, allow_nan=False)
        try:
            to_path(path).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path}: cannot write the metrics there: {error.strerror}.") from None

    def write_results(self, folder: str | os.PathLike, category_ids: Sequence[int | None] | None = None) -> list[str]:
        """Writes what the data set's evaluation server wants; returns the paths.

        That is KITTI's text files, or COCO's detections.json, and keypoints.json where there are joints.

        Args:
            folder: made where it is missing.
            category_ids: COCO's id of each class (`dataset.source.category_ids`); None: class index + 1. Rows of
                classes without one are left out.

        Raises:
            UserError: the folder cannot be written.
        """
        from keras_centernet.evaluation.results import write_results

        rows = self.results if "kitti" in self.results else {"detections": self.detections, **self.results}
        return write_results(rows, folder, category_ids)

    def draw_precision_recall(self, path: str | os.PathLike) -> None:
        """Writes a picture of precision over recall at IoU 0.5, one line per class.

        Raises:
            UserError: the file cannot be written.
        """
        from keras_centernet.drawing import draw_precision_recall

        ap50 = {name: self.metrics["per_class"][name]["AP50"] for name in self.precision_recall}
        draw_precision_recall(self.precision_recall, ap50, path)


def _kitti_rows(figures: dict) -> list[tuple]:
    """Returns the table of KITTI's figures: a line per class and kind, R11 and R40 at three difficulties."""
    levels = ("easy", "moderate", "hard")
    columns = [(level, recall) for recall in ("R40", "R11") for level in levels]
    rows = [("KITTI AP", *(f"{level} {recall}" for level, recall in columns))]
    for name, kinds in figures.items():
        for kind, values in kinds.items():
            cells = (values[level][recall] for level, recall in columns)
            rows.append((f"{name} {kind}", *("-" if cell is None else f"{cell:.2f}" for cell in cells)))
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _aligned(rows: list[tuple]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
