"""COCO's average precision of keypoints: object keypoint similarity (OKS) in place of overlap."""

from collections.abc import Callable, Sequence

import numpy as np

from keras_centernet.evaluation.metrics.coco_files import none_if_undefined, run_cocoeval
from keras_centernet.evaluation.metrics.metric import Accumulator
from keras_centernet.evaluation.rows import detection_rows
from keras_centernet.geometry import invert_affine, transform_points
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton

# Index into pycocotools' `stats` of each metric.
STATS = {"OKS_AP": 0, "OKS_AP50": 1, "OKS_AP75": 2, "OKS_APm": 3, "OKS_APl": 4, "OKS_AR": 5}


class KeypointPrecision(Accumulator):
    """COCO's average precision of keypoints."""

    def __init__(self, detector, classes: Sequence[str]):
        super().__init__(detector, classes)
        skeleton = getattr(detector, "task_options", {}).get("skeleton") or COCO_PERSON
        self._sigmas = Skeleton.of(skeleton).sigmas
        self._annotations, self._detections = [], []

    def add(self, objects: dict, found: dict, annotations: list[dict]) -> None:
        """Adds one image; see `Accumulator.add`."""
        truth = objects["keypoints_xyv"][objects["mask"]].astype(np.float64)
        truth[..., :2] = transform_points(truth[..., :2], invert_affine(objects["image_to_input"]))
        self._annotations += _with_keypoints(annotations, truth)
        # COCO's format has a v for each keypoint, which the evaluation does not read in detections.
        found_xyv = np.concatenate([found["keypoints_xy"], np.ones_like(found["keypoints_xy"][..., :1])], axis=-1)
        self._detections += _with_keypoints(detection_rows(found, int(objects["image_id"])), found_xyv)

    def compute(self, ground_truth: dict, detections: list[dict], change: Callable = list) -> dict:
        """Returns the metrics of `keypoint_average_precision`."""
        truth = {**ground_truth, "annotations": self._annotations}
        # Boxes are left out: COCO's own loader replaces them by the smallest box around the keypoints.
        rows = [{key: value for key, value in row.items() if key != "bbox"} for row in self._detections]
        return keypoint_average_precision(truth, change(rows), self._sigmas)

    def results(self, detections: list[dict]) -> list[dict]:
        """Returns the rows of a COCO results file of keypoints."""
        return self._detections


def keypoint_average_precision(ground_truth: dict, detections: list[dict], sigmas: Sequence[float]) -> dict:
    """Returns COCO's metrics of detected keypoints: {key of `STATS`: float, or None without ground truth}.

    Objects without a marked keypoint are ignored, as by COCO.

    Args:
        ground_truth: as in `coco_average_precision`; annotations also hold "keypoints", 3 K numbers x, y, v.
        detections: [{"image_id", "category_id", "score", "keypoints": 3 K numbers}].
        sigmas: K numbers, see `Skeleton`.

    Raises:
        UserError: a detection or annotation of an unknown image or class.

    Source: pycocotools.cocoeval with iouType "keypoints" (20 detections an image).
    """
    evaluation = run_cocoeval("keypoints", ground_truth, detections, _to_row, sigmas)
    if evaluation is None:
        return dict.fromkeys(STATS)
    return {name: none_if_undefined(evaluation.stats[row]) for name, row in STATS.items()}


def _with_keypoints(rows: list[dict], keypoints_xyv: np.ndarray) -> list[dict]:
    return [row | {"keypoints": xyv.reshape(-1)} for row, xyv in zip(rows, keypoints_xyv, strict=True)]


def _to_row(row: dict) -> dict:
    """Returns what pycocotools reads of a row; box and area of a detection are those of its keypoints."""
    xyv = np.asarray(row["keypoints"], np.float64).reshape(-1, 3)
    low, high = xyv[:, :2].min(axis=0), xyv[:, :2].max(axis=0)
    box_xywh = row.get("bbox") or [*low, *(high - low)]
    return {
        **row,
        "keypoints": xyv.reshape(-1).tolist(),
        "num_keypoints": int(np.sum(xyv[:, 2] > 0)),
        "bbox": [float(v) for v in box_xywh],
        "area": float(row.get("area", box_xywh[2] * box_xywh[3])),
        "iscrowd": int(row.get("iscrowd", 0)),
    }
