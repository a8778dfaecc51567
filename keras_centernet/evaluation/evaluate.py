"""A model and a data set -> a report."""

import sys
import time

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.evaluation.coco import evaluate_coco
from keras_centernet.evaluation.further import FURTHER
from keras_centernet.evaluation.report import Report
from keras_centernet.evaluation.voc import voc_average_precision
from keras_centernet.geometry import invert_affine, to_image_frame, transform_boxes, xyxy_to_xywh


def evaluate(model, dataset, *, top_k: int = 100, progress: bool = True, clip_boxes: bool = True) -> Report:
    """Returns how well a model finds the objects of a data set: COCO's and Pascal VOC's metrics of boxes.

    Where data and model have them, also COCO's metrics of joints and KITTI's of 3D boxes.

    Boxes are compared in original image pixels: those of the batches and those of the model are both
    taken back through the inverse of `image_to_input`, in float64.

    Args:
        model: `CenterNet`, or anything with `classes` and `detect_batch(images, top_k)`.
        dataset: batches (images, objects) as `load_dataset` yields them, each image once.
        top_k: detections per image.
        progress: whether a bar is shown on stderr when that is a terminal.
        clip_boxes: whether detections are cut at the image's edges, and those outside dropped, as
            `model.detect` does. As published: False.

    Raises:
        UserError: other classes than the model's, a data set that is empty, endless or repeats an
            image, or detections that are not finite.

    Example:
        >>> evaluate(model, load_dataset("photos/", split="val")).metrics["AP"]  # doctest: +SKIP
        0.581
    """
    classes = _shared_classes(model, dataset)
    images, annotations, detections, further = [], [], [], None
    start, seconds_network = time.perf_counter(), 0.0
    for batch_images, objects in _with_progress(dataset, progress):
        batch_start = time.perf_counter()
        found = _as_arrays(model.detect_batch(batch_images, top_k=top_k))
        seconds_network += time.perf_counter() - batch_start
        objects = _as_arrays(objects)
        if further is None:
            further = [kind(model) for kind in FURTHER if kind.NEEDS[0] in objects and kind.NEEDS[1] in found]
        for i in range(len(objects["image_id"])):
            true_rows = {key: values[i] for key, values in objects.items()}
            found_rows = {key: values[i] for key, values in found.items()}
            _check_finite(found_rows, int(true_rows["image_id"]))
            found_rows = _in_image(found_rows, true_rows, clip_boxes)
            rows = _annotation_rows(true_rows)
            images.append(_image_row(true_rows))
            annotations += rows
            detections += _detection_rows(found_rows, true_rows)
            for metric in further:
                metric.add(true_rows, found_rows, rows)
    _check_images(images)
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, start=1)]
    ground_truth = {"images": images, "categories": categories, "annotations": annotations}
    metrics_start = time.perf_counter()
    metrics, curves = evaluate_coco(ground_truth, detections)
    voc = voc_average_precision(ground_truth, detections)
    for metric in further:
        metrics |= metric.metrics(ground_truth)
    end = time.perf_counter()
    metrics |= {
        "VOC07_mAP50": voc["VOC07_mAP50"],
        "VOC_mAP50": voc["VOC_mAP50"],
        "images": len(images),
        "objects": len(annotations),
        "seconds": end - start,
        "seconds_network": seconds_network,
        "seconds_metrics": end - metrics_start,
    }
    results = next((metric.results for metric in further if hasattr(metric, "results")), {})
    return Report(metrics, detections, curves, ground_truth, results)


def _shared_classes(model, dataset) -> tuple[str, ...]:
    expected = tuple(model.classes)
    received = tuple(getattr(dataset, "classes", None) or expected)  # take() and the like lose the attribute
    if received != expected:
        raise UserError(
            f"evaluate: expected the model's classes ({', '.join(expected)}) in that order; the data set has "
            f"({', '.join(received)}). Pass classes=model.classes to load_dataset, or evaluate another model."
        )
    return expected


def _with_progress(dataset, progress: bool):
    """Yields the batches under a bar that shows itself on terminals only."""
    from tqdm import tqdm

    batches = int(dataset.cardinality()) if hasattr(dataset, "cardinality") else len(dataset)
    if batches == -1:  # tf.data.INFINITE_CARDINALITY
        raise UserError("evaluate: expected a data set that ends, got an endless one. Leave repeat() away.")
    yield from tqdm(
        dataset,
        total=batches if batches >= 0 else None,
        desc="evaluate",
        unit="batch",
        file=sys.stderr,
        disable=None if progress else True,
        leave=False,
    )


def _as_arrays(tensors: dict) -> dict[str, np.ndarray]:
    return {key: np.asarray(value) for key, value in tensors.items()}


def _image_row(objects: dict) -> dict:
    height, width = objects["image_hw"].tolist()
    return {"id": int(objects["image_id"]), "height": height, "width": width}


def _annotation_rows(objects: dict) -> list[dict]:
    """Returns the COCO annotations of one image; `difficult` is for Pascal VOC, COCO ignores it."""
    boxes_xyxy = transform_boxes(objects["boxes_xyxy"], invert_affine(objects["image_to_input"]))
    return [
        {
            "image_id": int(objects["image_id"]),
            "category_id": int(objects["classes"][i]) + 1,
            "bbox": xyxy_to_xywh(boxes_xyxy[i]).tolist(),
            "area": float(objects["areas"][i]),
            "iscrowd": int(objects["is_crowd"][i]),
            "difficult": int(objects["is_difficult"][i]),
        }
        for i in np.flatnonzero(objects["mask"])
    ]


def _check_finite(found: dict, image_id: int) -> None:
    if not (np.all(np.isfinite(found["boxes_xyxy"])) and np.all(np.isfinite(found["scores"]))):
        raise UserError(
            f"evaluate: expected finite boxes and scores, the model gave NaN or infinity for image_id "
            f"{image_id}. Its weights are probably broken; take an earlier checkpoint."
        )


def _in_image(found: dict, objects: dict, clip_boxes: bool) -> dict:
    """Returns the detections of one image in its pixels; cut at its edges if `clip_boxes`."""
    found = to_image_frame(found, objects["image_to_input"])
    if not clip_boxes:
        return found
    height, width = objects["image_hw"]
    found["boxes_xyxy"] = np.clip(found["boxes_xyxy"], 0, [width, height, width, height])
    keep = np.all(found["boxes_xyxy"][:, 2:] > found["boxes_xyxy"][:, :2], axis=1)
    return {key: values[keep] for key, values in found.items()}


def _detection_rows(found: dict, objects: dict) -> list[dict]:
    image_id = int(objects["image_id"])
    columns = xyxy_to_xywh(found["boxes_xyxy"]).tolist(), found["scores"], found["classes"]
    return [
        {"image_id": image_id, "category_id": int(index) + 1, "bbox": box, "score": float(score)}
        for box, score, index in zip(*columns, strict=True)
    ]


def _check_images(images: list[dict]) -> None:
    if not images:
        raise UserError("evaluate: expected at least one image, the data set is empty. Check its split.")
    ids = [row["id"] for row in images]
    if len(set(ids)) != len(ids):
        twice = next(image_id for image_id in ids if ids.count(image_id) > 1)
        raise UserError(f"evaluate: expected every image once, image_id {twice} came again. Leave repeat() away.")
