"""Checks the arguments of `load_dataset`: the errors say what was expected, what was received and what to do."""

import warnings
from collections.abc import Callable

import numpy as np

from keras_centernet.data.inputs import AUGMENTATIONS, RESIZES, Changes
from keras_centernet.data.source import Source
from keras_centernet.errors import DataWarning, UserError, did_you_mean, look_up
from keras_centernet.limits import COUNT, INDEX, SCALE, SHARE, Limits, check_side
from keras_centernet.method.specs import Task
from keras_centernet.tasks.table import TaskRow, task_name

INPUT_MULTIPLE = 32
CONTRADICT_CAMERAS = ("vertical_flip", "mosaic", "mixup")


def check_input_size(input_size: int | tuple[int, int]) -> tuple[int, int]:
    """Returns (height, width) of the input; raises unless both are positive multiples of 32."""
    return check_side("input_size", input_size, INPUT_MULTIPLE)


def check_counts(**counts: int | None) -> None:
    """Raises unless all are whole numbers of at least 1; `limit` and `workers` may be None."""
    for name, count in counts.items():
        if count is not None or name not in ("limit", "workers"):
            COUNT.check(name, count)


def check_changes(changes: Changes, mosaic_until: int | None, task: str | Task | Callable, row: TaskRow) -> None:
    """Raises unless images of a task with that row can be changed like this."""
    name, needs_camera = task_name(task), row.needs_camera or getattr(task, "needs_camera", False)
    if changes.augmentation not in AUGMENTATIONS:
        expected = f"expected one of {', '.join(AUGMENTATIONS)}, got {changes.augmentation!r}."
        raise UserError(f"augmentation: {expected}{did_you_mean(changes.augmentation, AUGMENTATIONS)}")
    for option in ("flip", *CONTRADICT_CAMERAS):
        probability = SHARE.check(option, getattr(changes, option))
        if option in CONTRADICT_CAMERAS and probability and needs_camera:
            reason = "whose objects have positions relative to the camera, which such images contradict"
            raise UserError(f"{option}: expected 0 for task {name}, {reason}, got {probability!r}.")
    if Limits(at_least=0, at_most=360).check("rotation", changes.rotation) and not any(
        field.endswith("_xyv") for field in row.fields
    ):
        reason = "which has no keypoints, and boxes are not rotated"
        raise UserError(f"rotation: expected 0 for task {name}, {reason}, got {changes.rotation!r}.")
    hsv = changes.hsv
    if hsv is not None and (not isinstance(hsv, list | tuple) or len(hsv) != 3):
        raise UserError(f"hsv: expected gains of hue, saturation and value from 0 to 1, got {hsv!r}.")
    for gain in hsv or ():
        SHARE.check("hsv", gain)
    if mosaic_until is not None:
        INDEX.check("mosaic_until", mosaic_until)


def check_mixing(changes: Changes, source: Source, data_service: str | None) -> None:
    """Raises if images are to be mixed although the data describes whole images or a data service reads them."""
    option = next((name for name in ("mosaic", "mixup") if getattr(changes, name)), None)
    of_images = [name for name, spec in source.fields.items() if spec.of_image]
    if option and of_images:
        reason = f"whose fields {', '.join(of_images)} describe whole images"
        raise UserError(f"{option}: expected 0 with {source.name}, {reason}, got {getattr(changes, option)!r}.")
    if option and data_service:
        reason = "whose workers see images one by one"
        found = f"{getattr(changes, option)!r}. Set it to 0"
        raise UserError(f"{option}: expected 0 with data_service, {reason}, got {found}, or read without the service.")


def check_view(resize: str, multiple_of: int, scale: float) -> None:
    """Raises unless images can be resized like this for a test."""
    look_up(RESIZES, resize, "resize")
    if not _is_whole(multiple_of) or multiple_of < 32 or multiple_of & (multiple_of - 1):
        raise UserError(f"multiple_of: expected a power of two of at least 32, got {multiple_of!r}.")
    SCALE.check("scale", scale)


def check_val_share(val_share: float) -> None:
    """Raises unless the value is at least 0 and below 1; the share 0 makes no "val"."""
    Limits(at_least=0, below=1).check("val_share", val_share)


def check_shard(shard: tuple[int, int], size: int) -> tuple[int, int]:
    """Returns (n, i); raises if there is no i-th of n shards, or fewer images than shards."""
    if len(shard) != 2 or not all(map(_is_whole, shard)) or not 0 <= shard[1] < shard[0] <= size:
        raise UserError(f"shard: expected (n, i) with 0 <= i < n <= {size}, the number of images, got {shard!r}.")
    return int(shard[0]), int(shard[1])


def check_no_order(option: str, skip: int = 0, shard: tuple[int, int] = (1, 0)) -> None:
    """Raises if an epoch whose order is undefined because of `option` is to be continued or sharded."""
    if skip:
        advice = "Remove it, or continue from a checkpoint at the end of an epoch."
        raise UserError(f"{option}: expected no batches to skip, as no seed fixes their order, got {skip}. {advice}")
    if shard[0] > 1:
        raise UserError(f"{option}: expected no shard, as no seed fixes the order of the images, got {shard}.")


def safe_flip(flip: float, source: Source) -> float:
    """Returns the probability of mirroring; 0 with a warning if left and right keypoints are unknown."""
    if not flip or source.sides_known:
        return flip
    advice = "give pairs of them (COCO: `flip_pairs` of the category, [] for none), or pass `flip`."
    problem = "images are not mirrored, as the names of the keypoints do not tell left from right"
    warnings.warn(DataWarning(f"{source.name}: {problem}; {advice}"), stacklevel=3)
    return 0.0


def fit_batch(batch_size: int, size: int, source: Source) -> int:
    """Returns the batch size; if the data set has fewer images, warns and returns their number."""
    if size >= batch_size:
        return batch_size
    advice = f"the batch is the whole data set. Pass a batch_size of at most {size}."
    line = f"{source.name}: batch_size {batch_size} is more than its {size} images; {advice}"
    warnings.warn(DataWarning(line), stacklevel=3)
    return size


def _is_whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
