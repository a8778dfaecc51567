"""A model and a data set -> a report."""

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from keras_centernet.clock import Clock
from keras_centernet.errors import UserError
from keras_centernet.evaluation.merging import check_nms, merge_detections
from keras_centernet.evaluation.metrics.coco import evaluate_coco
from keras_centernet.evaluation.metrics.further import FURTHER
from keras_centernet.evaluation.metrics.voc import voc_average_precision
from keras_centernet.evaluation.oracle import find_heads, with_truth
from keras_centernet.evaluation.report import STAGES, Report
from keras_centernet.evaluation.rows import (
    annotation_rows,
    clip_to_image,
    detection_rows,
    image_row,
    in_image,
    rounded,
)


def evaluate(
    model,
    dataset,
    *,
    top_k: int = 100,
    flip: bool = False,
    nms: str | None = None,
    as_published: bool = True,
    oracle: Sequence[str] = (),
    round_results: bool = False,
    clip_boxes: bool = True,
    progress: bool = True,
) -> Report:
    """Returns how well a model finds the objects of a data set: COCO's and Pascal VOC's metrics of boxes.

    Where data and model have them, also COCO's metrics of joints and KITTI's of 3D boxes.

    Boxes are compared in original image pixels: those of the batches and those of the model are both
    taken back through the inverse of `image_to_input`, in float64.

    Args:
        model: `CenterNet`, or anything with `classes` and `detect_batch(images, top_k)`.
        dataset: batches (images, objects) as `load_dataset` yields them, each image once. Several of them in a
            list, of the same images at different scales (`load_dataset(..., scale=0.5)`), are a multi-scale test:
            the detections of all are merged.
        top_k: detections per image and view.
        flip: whether maps are averaged with those of the mirrored image.
        nms: "soft", "none"; None: soft for several scales, as published, else none.
        as_published: whether soft-NMS leaves the published leftovers, see `soft_nms.soft_nms`.
        oracle: names of heads that are replaced by the truth; only for one scale without flip.
        round_results: whether the figures are also computed of boxes and scores with two decimals, as published.
        clip_boxes: whether detections are cut at the image's edges, and those outside dropped, as
            `model.detect` does. As published: False.
        progress: whether a bar is shown on stderr when that is a terminal.

    Raises:
        UserError: other classes than the model's, a data set that is empty, endless or repeats an
            image, detections that are not finite, or options that do not go together.

    Source: paper section 5; `test.py` and the detectors of the published code.

    Example:
        >>> evaluate(model, load_dataset("photos/", split="val")).metrics["AP"]  # doctest: +SKIP
        0.581
    """
    views = list(dataset) if _is_several(dataset) else [dataset]
    nms = nms or ("soft" if len(views) > 1 else "none")
    check_nms(nms)
    _check_options(model, views, flip, oracle)
    classes = _shared_classes(model, views)
    start, clock = time.perf_counter(), Clock()
    loading = sum((_loading_seconds(view) for view in views), Counter())
    detect = _Detector(model, top_k, flip, oracle, clock)
    truths, found = _run(detect, views, progress)
    loading = sum((_loading_seconds(view) for view in views), Counter()) - loading
    with clock.measure("merge"):
        if len(views) > 1 or nms != "none":
            found = {key: [merge_detections(rows, nms, as_published, top_k)] for key, rows in found.items()}
    found = {key: clip_to_image(rows[0], truths[key]) if clip_boxes else rows[0] for key, rows in found.items()}

    metrics_start = time.perf_counter()
    report = _measure(model, classes, truths, found, round_results)
    end = time.perf_counter()
    seconds = clock.seconds | loading
    report.metrics |= {
        "images": len(truths),
        "objects": len(report.ground_truth["annotations"]),
        "seconds": end - start,
        "seconds_network": seconds["network"] + seconds["decode"],
        "seconds_metrics": end - metrics_start,
        "stages_ms": {stage: 1000 * seconds[stage] / len(truths) for stage in STAGES},
    }
    return report


@dataclasses.dataclass
class _Detector:
    """Detections of one batch, with the time that network and decoding took."""

    model: object
    top_k: int
    flip: bool
    oracle: Sequence[str]
    clock: Clock

    def __call__(self, images, objects: dict) -> dict[str, np.ndarray]:
        if not hasattr(self.model, "graphs"):
            with self.clock.measure("network"):
                return _as_arrays(self.model.detect_batch(images, top_k=self.top_k))
        with self.clock.measure("network"):
            maps = self.model.predictor.maps(images, self.flip)
            np.asarray(maps[self.model.task.center_heatmap.name][0, 0, 0, 0])  # waits for the device
        if self.oracle:
            maps = with_truth(self.model.task, find_heads(self.model.task, self.oracle), maps, objects)
        with self.clock.measure("decode"):
            return _as_arrays(self.model.predictor.decoded(maps, self.top_k))


def _run(detect: _Detector, views: list, progress: bool) -> tuple[dict, dict]:
    """Returns ({image id: its objects}, {image id: its detections in image pixels, by view})."""
    truths, found = {}, {}
    for number, view in enumerate(views):
        for batch_images, objects in _with_progress(view, progress):
            batch_found, objects = detect(batch_images, objects), _as_arrays(objects)
            for i, image_id in enumerate(objects["image_id"].tolist()):
                true_rows = {key: values[i] for key, values in objects.items()}
                found_rows = {key: values[i] for key, values in batch_found.items()}
                _check_finite(found_rows, image_id)
                if number == 0:
                    _check_new(image_id, truths)
                    truths[image_id], found[image_id] = true_rows, []
                found.setdefault(image_id, []).append(in_image(found_rows, true_rows))
    if not truths:
        raise UserError("evaluate: expected at least one image, the data set is empty. Check its split.")
    for image_id, rows in found.items():
        if len(rows) != len(views):
            raise UserError(
                f"evaluate: expected image_id {image_id} once at each of {len(views)} scales, got it {len(rows)} times."
            )
    return truths, found


def _measure(model, classes, truths: dict, found: dict, round_results: bool) -> Report:
    """Returns the report of what was found, with everything but the times."""
    first_truth, first_found = next(iter(truths.values())), next(iter(found.values()))
    further = [kind(model) for kind in FURTHER if kind.NEEDS[0] in first_truth and kind.NEEDS[1] in first_found]
    images, annotations, detections = [], [], []
    for image_id, objects in truths.items():
        rows = annotation_rows(objects)
        images.append(image_row(objects))
        annotations += rows
        detections += detection_rows(found[image_id], image_id)
        for metric in further:
            metric.add(objects, found[image_id], rows)
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, start=1)]
    ground_truth = {"images": images, "categories": categories, "annotations": annotations}
    metrics, curves = _figures(ground_truth, detections, further)
    if round_results:
        metrics["rounded"], _ = _figures(ground_truth, rounded(detections), further, rounded)
    results = {name: rows for metric in further for name, rows in metric.results().items()}
    return Report(metrics, detections, curves, ground_truth, results)


def _figures(ground_truth: dict, detections: list[dict], further: list, change=list) -> tuple[dict, dict]:
    metrics, curves = evaluate_coco(ground_truth, detections)
    voc = voc_average_precision(ground_truth, detections)
    metrics |= {name: voc[name] for name in ("VOC07_mAP50", "VOC_mAP50")}
    for metric in further:
        metrics |= metric.metrics(ground_truth, change)
    return metrics, curves


def _check_options(model, views: list, flip: bool, oracle: Sequence[str]) -> None:
    task = getattr(model, "task", None)
    if (flip or oracle) and not hasattr(model, "graphs"):
        raise UserError("evaluate: expected a CenterNet for flip and oracle, got another detector; leave them away.")
    if oracle:
        find_heads(task, oracle)
        if flip or len(views) > 1:
            raise UserError("oracle: expected neither flip nor several scales with it; leave them away.")
    if (flip or len(views) > 1) and task is not None and not task.flip_and_scale:
        raise UserError(
            f"evaluate: task {task.name} measures distances, which mirrored and scaled pictures do not show; expected "
            "flip=False and one scale."
        )


def _is_several(dataset) -> bool:
    """Whether it is a list of data sets; a list of batches (images, objects) is one."""
    return isinstance(dataset, list | tuple) and len(dataset) > 0 and not isinstance(dataset[0], tuple)


def _shared_classes(model, views: list) -> tuple[str, ...]:
    expected = tuple(model.classes)
    for view in views:
        received = tuple(getattr(view, "classes", None) or expected)  # take() and the like lose the attribute
        if received != expected:
            raise UserError(
                f"evaluate: expected the model's classes ({', '.join(expected)}) in that order; the data set has "
                f"({', '.join(received)}). Pass classes=model.classes to load_dataset, or evaluate another model."
            )
    return expected


def _loading_seconds(dataset) -> Counter:
    source = getattr(dataset, "source", None)
    return Counter(source.clock.seconds) if source else Counter()


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


def _check_finite(found: dict, image_id: int) -> None:
    if not (np.all(np.isfinite(found["boxes_xyxy"])) and np.all(np.isfinite(found["scores"]))):
        raise UserError(
            f"evaluate: expected finite boxes and scores, the model gave NaN or infinity for image_id "
            f"{image_id}. Its weights are probably broken; take an earlier checkpoint."
        )


def _check_new(image_id: int, truths: dict) -> None:
    if image_id in truths:
        raise UserError(f"evaluate: expected every image once, image_id {image_id} came again. Leave repeat() away.")
