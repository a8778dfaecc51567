"""The detections of all images of a data set at one or several scales, in image pixels."""

import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from keras.ops import convert_to_numpy

from keras_centernet.clock import Clock
from keras_centernet.detecting.graphs.compiling import to_arrays
from keras_centernet.errors import UserError
from keras_centernet.evaluation.oracle import find_heads, with_truth
from keras_centernet.geometry import to_image_frame
from keras_centernet.method.specs import Tensor


def detect_batch(
    detector, clock: Clock, top_k: int, flip: bool, oracle: Sequence[str], images: Tensor, objects: dict
) -> dict:
    """Returns {key: (B, N, ...) array} in the input frame; the clock gets the seconds of "network" and "decode"."""
    predictor = getattr(detector, "predictor", None)
    if predictor is None:
        with clock.measure("network"):
            return to_arrays(detector.detect_batch(images, top_k=top_k))
    task = detector.task
    with clock.measure("network"):
        maps = predictor.maps(images, flip, exact=True)
        convert_to_numpy(maps[task.center_heatmap.name][0, 0, 0, 0])  # waits for the device
    if oracle:
        maps = with_truth(task, find_heads(task, oracle), maps, objects)
    with clock.measure("decode"):
        return to_arrays(predictor.decoded(maps, top_k))


def detect_views(
    detect: Callable, views: list, renumber: Sequence[np.ndarray | None], num_classes: int, progress: bool
) -> tuple[dict, dict]:
    """Returns ({image id: its objects}, {image id: its detections in image pixels, one dict per view}).

    Args:
        detect: function of a batch, (images, objects) -> rows, see `detect_batch`.
        views: data sets.
        renumber: for each view (C,) new class numbers, -1 for classes that are left out; None: as they are.
        num_classes: of the model.
        progress: whether a bar is shown.

    Raises:
        UserError: a data set is empty, endless or repeats an image, the views differ in their images, a class index
            is not below `num_classes`, or detections are not finite.
    """
    truths, found = {}, {}
    for number, view in enumerate(views):
        for batch_images, objects in _with_progress(view, progress):
            objects = {key: np.asarray(value) for key, value in objects.items()}
            batch_found, objects = detect(batch_images, objects), _renumbered(objects, renumber[number])
            _check_class_indices(objects, num_classes)
            for i, image_id in enumerate(objects["image_id"].tolist()):
                true_rows = {key: values[i] for key, values in objects.items()}
                found_rows = {key: values[i] for key, values in batch_found.items()}
                _check_finite(found_rows, image_id)
                if number == 0:
                    _check_new(image_id, truths)
                    truths[image_id] = true_rows
                is_kept = found_rows["scores"] >= 0  # duplicates have -1
                found_rows = {key: values[is_kept] for key, values in found_rows.items()}
                in_image = to_image_frame(found_rows, true_rows["image_to_input"])
                found.setdefault(image_id, []).append(in_image)
    if not truths:
        raise UserError("evaluate: expected at least one image, the data set is empty. Check its split.")
    for image_id, rows in found.items():
        if len(rows) != len(views):
            raise UserError(
                f"evaluate: expected image_id {image_id} once at each of {len(views)} scales, got it {len(rows)} times."
            )
    return truths, found


def _renumbered(objects: dict, numbers: np.ndarray | None) -> dict:
    """Returns the objects with the model's class numbers, without those of classes that it does not know."""
    if numbers is None:
        return objects
    classes = numbers[np.where(objects["mask"], objects["classes"], 0)]
    is_known = classes >= 0
    return objects | {"classes": np.where(is_known, classes, 0), "mask": objects["mask"] & is_known}


def _check_finite(found: dict, image_id: int) -> None:
    if not (np.all(np.isfinite(found["boxes_xyxy"])) and np.all(np.isfinite(found["scores"]))):
        raise UserError(
            f"evaluate: expected finite boxes and scores, the model gave NaN or infinity for image_id "
            f"{image_id}. Its weights are probably broken; take an earlier checkpoint."
        )


def _check_class_indices(objects: dict, num_classes: int) -> None:
    largest = objects["classes"][objects["mask"]].max(initial=0)
    if largest >= num_classes:
        raise UserError(
            f"evaluate: expected class indices below {num_classes}, the number of the model's classes, got {largest}. "
            "Pass classes=model.classes to load_dataset, or evaluate another model."
        )


def _check_new(image_id: int, truths: dict) -> None:
    if image_id in truths:
        raise UserError(f"evaluate: expected every image once, got image_id {image_id} again. Remove repeat().")


def _with_progress(dataset, progress: bool) -> Iterator:
    """Yields the batches; with `progress`, shows a bar if stderr is a terminal."""
    from tqdm import tqdm

    batches = int(dataset.cardinality()) if hasattr(dataset, "cardinality") else len(dataset)
    if batches == -1:  # tf.data.INFINITE_CARDINALITY
        raise UserError("evaluate: expected a data set that ends, got an endless one. Remove repeat().")
    yield from tqdm(
        dataset,
        total=batches if batches >= 0 else None,
        desc="evaluate",
        unit="batch",
        file=sys.stderr,
        disable=None if progress else True,
        leave=False,
    )
