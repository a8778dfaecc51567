"""A detector and a data set -> a report."""

import functools
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from keras_centernet.clock import Clock
from keras_centernet.data.own.batches import OwnData
from keras_centernet.data.own.measured import is_arrays, measured_batches
from keras_centernet.errors import DataWarning, UserError, look_up
from keras_centernet.evaluation.detecting import detect_batch, detect_views
from keras_centernet.evaluation.merging import NMS, merge_detections
from keras_centernet.evaluation.metrics.table import METRICS
from keras_centernet.evaluation.oracle import find_heads
from keras_centernet.evaluation.report import STAGES, Report
from keras_centernet.evaluation.rows import annotation_rows, clip_to_image, detection_rows, rounded
from keras_centernet.limits import COUNT


def evaluate(
    model,
    dataset: Iterable,
    *,
    top_k: int = 100,
    flip: bool = False,
    nms: str | None = None,
    as_published: bool = True,
    oracle: Sequence[str] = (),
    round_results: bool = False,
    clip_boxes: bool = True,
    progress: bool = True,
    bounding_box_format: str | None = None,
) -> Report:
    """Returns how well a detector finds the objects of a data set: all metrics of `METRICS` that apply to the two.

    Boxes are compared in original image pixels, in float64. If the classes of the data set and of the model differ,
    those that both have by name are measured, and a warning names the others.

    Args:
        model: `CenterNet`, or anything with `classes` and `detect_batch(images, top_k)`.
        dataset: batches (images, objects) as `load_dataset` yields them, each image once; or images of the input's
            size with labels that you made yourself, as `CenterNet.fit` takes them. A list of data sets, with the same
            images at different scales (`load_dataset(..., scale=0.5)`), is a multi-scale test: their detections are
            merged.
        top_k: detections per image and view.
        flip: whether maps are averaged with those of the mirrored image.
        nms: "soft" or "none"; None: "soft" for several scales, as published, else "none".
        as_published: whether soft-NMS leaves repeated boxes as the published code does, see `soft_nms.soft_nms`.
        oracle: names of heads whose output is replaced by the ground truth; only for one scale without flip.
        round_results: whether the metrics are also computed from numbers rounded to two decimals, as published.
        clip_boxes: whether true and detected boxes are clipped to the image, and detections outside it dropped.
            As published: False.
        progress: whether a bar is shown on stderr if that is a terminal.
        bounding_box_format: of the "boxes" in labels that you made yourself, as in `CenterNet.fit`.

    Raises:
        UserError: the data set has no class of the model, is empty, endless or repeats an image, detections are not
            finite, or options exclude each other.

    Source: paper section 5; `test.py` and the detectors of the published code.

    Examples:
        >>> evaluate(model, load_dataset("photos/", split="val")).metrics["AP"]  # doctest: +SKIP
        0.581
    """
    COUNT.check("top_k", top_k)
    own = OwnData(model, bounding_box_format)
    views = list(dataset) if _is_several(dataset) else [dataset]
    views = [measured_batches(own, view, "evaluate") for view in views]
    nms = nms or ("soft" if len(views) > 1 else "none")
    look_up(NMS, nms, "nms")
    _check_options(model, views, flip, oracle)
    classes = tuple(model.classes)
    renumber = [_class_numbers(classes, view) for view in views]
    start, clock = time.perf_counter(), Clock()
    loading = _loading_seconds(views)
    detect = functools.partial(detect_batch, model, clock, top_k, flip, oracle)
    truths, found = detect_views(detect, views, renumber, len(classes), progress)
    loading = _loading_seconds(views) - loading
    with clock.measure("merge"):
        if len(views) > 1 or nms != "none":
            found = {key: [merge_detections(rows, nms, as_published, top_k)] for key, rows in found.items()}
    found = {key: clip_to_image(rows[0], truths[key]) if clip_boxes else rows[0] for key, rows in found.items()}

    metrics_start = time.perf_counter()
    report = _measure(model, classes, truths, found, round_results, clip_boxes)
    counts = {"images": len(truths), "objects": len(report.ground_truth["annotations"])}
    report.metrics |= counts | _times(start, metrics_start, clock.seconds | loading, len(truths))
    return report


def _times(start: float, metrics_start: float, seconds: Counter, images: int) -> dict:
    """Returns the times of an evaluation that began at `start` and ends now."""
    end = time.perf_counter()
    return {
        "seconds": end - start,
        "seconds_network": seconds["network"] + seconds["decode"],
        "seconds_metrics": end - metrics_start,
        "stages_ms": {stage: 1000 * seconds[stage] / images for stage in STAGES},
    }


def _measure(model, classes, truths: dict, found: dict, round_results: bool, clip_boxes: bool) -> Report:
    """Returns the report of the detections, without counts and times."""
    first = next(iter(truths.values())), next(iter(found.values()))
    accumulators = {name: row.build(model, classes) for name, row in METRICS.items() if row.applies(*first)}
    images, annotations, detections = [], [], []
    for image_id, objects in truths.items():
        rows, (height, width) = annotation_rows(objects, clip_boxes), objects["image_hw"].tolist()
        images.append({"id": image_id, "height": height, "width": width})
        annotations += rows
        detections += detection_rows(found[image_id], image_id)
        for accumulator in accumulators.values():
            accumulator.add(objects, found[image_id], rows)
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, start=1)]
    ground_truth = {"images": images, "categories": categories, "annotations": annotations}

    def compute(change: Callable = list) -> dict:
        of_each = [accumulator.compute(ground_truth, detections, change) for accumulator in accumulators.values()]
        return {name: value for metrics in of_each for name, value in metrics.items()}

    metrics = compute()
    curves = {name: curve for accumulator in accumulators.values() for name, curve in accumulator.curves.items()}
    if round_results:
        metrics["rounded"] = compute(rounded)
    results = {name: accumulator.results(detections) for name, accumulator in accumulators.items()}
    return Report(metrics, detections, curves, ground_truth, results)


def _check_options(model, views: list, flip: bool, oracle: Sequence[str]) -> None:
    task = getattr(model, "task", None)
    if (flip or oracle) and not hasattr(model, "predictor"):
        raise UserError("evaluate: expected a CenterNet for flip and oracle, got another detector; remove them.")
    if oracle:
        find_heads(task, oracle)
        if flip or len(views) > 1:
            raise UserError("oracle: expected neither flip nor several scales with it; remove them.")
    if (flip or len(views) > 1) and task is not None and not task.flip_and_scale:
        raise UserError(
            f"evaluate: task {task.name} measures distances, which mirrored and scaled images do not show; expected "
            "flip=False and one scale."
        )


def _is_several(dataset) -> bool:
    """Whether it is a list of data sets; a list of batches (images, objects) or a pair (images, labels) is not."""
    is_list = isinstance(dataset, list | tuple) and len(dataset) > 0 and not is_arrays(dataset)
    return is_list and not isinstance(dataset[0], tuple)


def _class_numbers(classes: tuple[str, ...], view) -> np.ndarray | None:
    """Returns (C,) int: the model's number of each class of a data set, -1 for those that the model does not know.

    None if the two have the same classes, or if the data set has no names.
    """
    received = tuple(getattr(_source_of(view) or view, "classes", None) or classes)
    if received == classes:
        return None
    unknown = [name for name in received if name not in classes]
    if len(unknown) == len(received):
        problem = f"the data set has [{', '.join(received)}]; rename them by class_map of load_dataset"
        raise UserError(f"evaluate: expected some of the model's classes, [{', '.join(classes)}], {problem}.")
    absent = [name for name in classes if name not in received]
    left_out = [
        f"{what}: {', '.join(names)}"
        for what, names in (("unknown to the model", unknown), ("not in the data set", absent))
        if names
    ]
    if left_out:
        warnings.warn(DataWarning(f"evaluate: only common classes are measured; {'; '.join(left_out)}"), stacklevel=3)
    return np.array([classes.index(name) if name in classes else -1 for name in received])


def _loading_seconds(views: list) -> Counter:
    sources = [source for source in map(_source_of, views) if source]
    return sum((source.clock.seconds for source in sources), Counter())


def _source_of(dataset):
    """Returns the source of a data set of `load_dataset`, or None; lists of batches need no TensorFlow."""
    if isinstance(dataset, list | tuple):
        return None
    from keras_centernet.data import source_of

    return source_of(dataset)
