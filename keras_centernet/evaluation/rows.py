"""One image's objects and detections -> rows of COCO's files."""

import numpy as np

from keras_centernet.detecting.conversions import coco_rows
from keras_centernet.geometry import clip_to_size, invert_affine, transform_boxes, xyxy_to_xywh


def annotation_rows(objects: dict, clip_boxes: bool = False) -> list[dict]:
    """Returns the COCO annotations of one image, with "difficult" and "hidden" for Pascal VOC, which COCO ignores.

    For COCO a hidden region is a crowd: detections inside it are neither right nor wrong. `clip_boxes` clips the boxes
    to the image, as `clip_to_image` does those of detections.
    """
    is_hidden = objects.get("is_hidden", np.zeros_like(objects["is_crowd"]))
    boxes_xyxy = transform_boxes(objects["boxes_xyxy"], invert_affine(objects["image_to_input"]))
    if clip_boxes:
        boxes_xyxy, _ = clip_to_size(boxes_xyxy, objects["image_hw"])
    return [
        {
            "image_id": int(objects["image_id"]),
            "category_id": int(objects["classes"][i]) + 1,
            "bbox": xyxy_to_xywh(boxes_xyxy[i]).tolist(),
            "area": float(objects["areas"][i]),
            "iscrowd": int(objects["is_crowd"][i] or is_hidden[i]),
            "difficult": int(objects["is_difficult"][i]),
            "hidden": int(is_hidden[i]),
        }
        for i in np.flatnonzero(objects["mask"])
    ]


def detection_rows(found: dict, image_id: int) -> list[dict]:
    """Returns rows of a COCO results file; category id = class index + 1."""
    return coco_rows(image_id, found["boxes_xyxy"], found["scores"], found["classes"])


def clip_to_image(found: dict, objects: dict) -> dict:
    """Returns the detections with boxes clipped to the image, without those outside it."""
    boxes_xyxy, has_area = clip_to_size(found["boxes_xyxy"], objects["image_hw"])
    return {key: values[has_area] for key, values in (found | {"boxes_xyxy": boxes_xyxy}).items()}


def rounded(rows: list[dict]) -> list[dict]:
    """Returns the detections with all numbers rounded to two decimals, except the ids, which are integers.

    Source: `_to_float` of the published data sets, which rounds the numbers of results files.
    """

    def round_number(value):
        return value if isinstance(value, int) else np.round(np.asarray(value, np.float64), 2).tolist()

    return [{key: round_number(value) for key, value in row.items()} for row in rows]
