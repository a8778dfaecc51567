"""COCO's average precision of boxes."""

from collections.abc import Callable

from keras_centernet.evaluation.metrics.coco_files import none_if_undefined, run_cocoeval
from keras_centernet.evaluation.metrics.metric import Accumulator, number_text

# Index into pycocotools' `stats` of each metric.
STATS = {"AP": 0, "AP50": 1, "AP75": 2, "APs": 3, "APm": 4, "APl": 5, "AR1": 6, "AR10": 7, "AR100": 8}
# Indices on pycocotools' axes: IoU thresholds, areas, detections per image.
IOU_50, ALL_AREAS, MAX_100 = 0, 0, -1


class BoxPrecision(Accumulator):
    """COCO's average precision of boxes, with the curves of each class."""

    def compute(self, ground_truth: dict, detections: list[dict], change: Callable = list) -> dict:
        """Returns the metrics of `coco_average_precision`."""
        metrics, self.curves = evaluate_coco(ground_truth, change(detections))
        return metrics

    def results(self, detections: list[dict]) -> list[dict]:
        """Returns the rows of a COCO results file."""
        return detections


def coco_average_precision(ground_truth: dict, detections: list[dict]) -> dict:
    """Returns COCO's metrics of detected boxes.

    A metric without ground truth (a class without objects, no small objects, no objects at all) is None; pycocotools
    gives it as -1. Classes without objects do not count in any mean.

    Args:
        ground_truth: {"images": [{"id"}], "categories": [{"id", "name"}], "annotations": [{"image_id",
            "category_id", "bbox": [x, y, width, height], "area" (default width * height), "iscrowd"
            (default 0)}]}, as in COCO's files. It is not changed.
        detections: [{"image_id", "category_id", "bbox", "score"}], as in COCO's results files; may be empty.

    Returns:
        "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100": float or None;
        "per_class": {class name: {"AP", "AP50"}}.

    Raises:
        UserError: a detection or annotation of an unknown image or class.

    Source: pycocotools.cocoeval, with its default parameters.
    """
    return evaluate_coco(ground_truth, detections)[0]


def evaluate_coco(ground_truth: dict, detections: list[dict]) -> tuple[dict, dict]:
    """Returns the metrics of `coco_average_precision`, and the precision-recall curve of each class with ground truth.

    Curves are {class name: {"recall", "precision", "score": (101,) float64}} at IoU 0.5. Detections with at least that
    score reach that recall; the score is 0 for a recall that is never reached.
    """
    evaluation = run_cocoeval("bbox", ground_truth, detections, _to_row)
    if evaluation is None:
        return {**dict.fromkeys(STATS), "per_class": {}}, {}
    metrics = {name: none_if_undefined(evaluation.stats[row]) for name, row in STATS.items()}
    names = {row["id"]: row["name"] for row in ground_truth["categories"]}
    recall, per_class, curves = evaluation.params.recThrs, {}, {}
    for k, category in enumerate(evaluation.params.catIds):
        precision = evaluation.eval["precision"][:, :, k, ALL_AREAS, MAX_100]  # (IoU, recall)
        score = evaluation.eval["scores"][IOU_50, :, k, ALL_AREAS, MAX_100]
        name, ap50 = names[category], none_if_undefined(precision[IOU_50].mean())
        per_class[name] = {"AP": none_if_undefined(precision.mean()), "AP50": ap50}
        if per_class[name]["AP"] is not None:
            curves[name] = {"recall": recall.copy(), "precision": precision[IOU_50].copy(), "score": score.copy()}
    return {**metrics, "per_class": per_class}, curves


def class_tables(metrics: dict) -> list[list[tuple[str, ...]]]:
    """Returns the table of the classes, if there are any."""
    rows = [
        (name, number_text(row["AP"]), number_text(row["AP50"])) for name, row in metrics.get("per_class", {}).items()
    ]
    return [[("class", "AP", "AP50"), *rows]] if rows else []


def _to_row(row: dict) -> dict:
    return {
        **row,
        "bbox": [float(v) for v in row["bbox"]],
        "area": float(row.get("area", row["bbox"][2] * row["bbox"][3])),
        "iscrowd": int(row.get("iscrowd", 0)),
    }
