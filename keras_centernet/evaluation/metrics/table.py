"""The metrics. A new one is a file here and a row of `METRICS`."""

import functools
from collections.abc import Collection, Iterable

from keras_centernet.evaluation.metrics import coco, keypoints, kitti_files
from keras_centernet.evaluation.metrics.coco_files import write_coco_file
from keras_centernet.evaluation.metrics.metric import Metric
from keras_centernet.evaluation.metrics.voc import VocPrecision

# From the general to the special: of the metrics that apply, the last one with a `main` decides which model is best.
METRICS = {
    "boxes": Metric(
        coco.BoxPrecision,
        names=tuple(coco.STATS),
        logged=("AP", "AP50", "AP75"),
        main="AP",
        tables=coco.class_tables,
        write=functools.partial(write_coco_file, "detections"),
    ),
    "voc": Metric(VocPrecision, names=("VOC07_mAP50", "VOC_mAP50")),
    "keypoints": Metric(
        keypoints.KeypointPrecision,
        names=tuple(keypoints.STATS),
        logged=("OKS_AP",),
        main="OKS_AP",
        needs_objects=("keypoints_xyv",),
        needs_found=("keypoints_xy",),
        write=functools.partial(write_coco_file, "keypoints"),
    ),
    "kitti": Metric(
        kitti_files.KittiPrecision,
        names=("AP_3D",),
        logged=("AP_3D",),
        main="AP_3D",
        needs_objects=("kitti_types",),
        needs_found=("depths",),
        tables=kitti_files.kitti_tables,
        write=kitti_files.write_kitti_files,
        writes_alone=True,
    ),
}


def main_metric(names: Iterable[str]) -> str | None:
    """Returns the one of these names that tells which of two models is better, or None."""
    names = set(names)
    return next((row.main for row in reversed(METRICS.values()) if row.main in names), None)


def logged_names(metrics: Collection[str] = ()) -> list[str]:
    """Returns the names to log: those of metrics that apply to every data set, and others if they were measured."""
    rows = {name: row for row in METRICS.values() for name in row.logged}
    return [name for name, row in rows.items() if name in metrics or not row.needs_objects + row.needs_found]
