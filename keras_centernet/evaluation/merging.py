"""Merges the detections of one image at several scales."""

import numpy as np

from keras_centernet.evaluation.soft_nms import soft_nms

NMS = {"none": None, "soft": soft_nms}


def merge_detections(
    views: list[dict], nms: str = "soft", as_published: bool = True, max_detections: int = 100
) -> dict:
    """Returns one dict of detections, best first, from those of an image in several views.

    Args:
        views: decoded rows in original image pixels: "boxes_xyxy" (N, 4), "scores" (N,), "classes" (N,) and
            whatever else the task decodes (N, ...); N may differ from view to view.
        nms: key of `NMS`, run class by class on the rows of all views together.
        as_published: see `soft_nms`.
        max_detections: n; rows that score below the n-th best are dropped, and ties with it stay.

    Source: `CtdetDetector.merge_outputs` and `MultiPoseDetector.merge_outputs` of the published code. The latter does
        not limit the number of poses; COCO's evaluation reads the best 20.
    """
    rows = {key: np.concatenate([view[key] for view in views]) for key in views[0]}
    if NMS[nms]:
        by_class = [_merge_class(rows, index, NMS[nms], as_published) for index in np.unique(rows["classes"])]
        rows = {key: np.concatenate([part[key] for part in by_class]) for key in rows} if by_class else rows
    scores = rows["scores"]
    keep = np.argsort(-scores, kind="stable")
    if len(scores) > max_detections:
        keep = keep[scores[keep] >= scores[keep[max_detections - 1]]]
    return {key: values[keep] for key, values in rows.items()}


def _merge_class(rows: dict, index: int, nms, as_published: bool) -> dict:
    of_class = {key: values[rows["classes"] == index] for key, values in rows.items()}
    box_rows, more_rows, scores = nms(of_class["boxes_xyxy"], of_class["scores"], as_published)
    merged = {key: values[more_rows] for key, values in of_class.items()}
    return merged | {"boxes_xyxy": of_class["boxes_xyxy"][box_rows], "scores": scores}
