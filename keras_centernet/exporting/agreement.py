"""How far an exported file's detections are from `model.detect`'s on the same pictures."""

import os
import statistics
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_centernet import camera
from keras_centernet.errors import UserError
from keras_centernet.geometry import is_position

BOX_PIXELS = 0.5
SCORE = 1e-3
OTHERS = 1e-3  # relative, of what is neither place nor score
# Joints that snap to one of two equally near peaks may differ between any two machines.
SHARE_OF_OTHERS = 0.01
LEAST_SIDE = 2 * BOX_PIXELS  # a smaller rest of a box at the image's edge may have no area in the other runtime
TIMED_CALLS = 5


def compare_with_detect(
    model: keras.Model, images: list, runs: Sequence[Callable], threshold: float, top_k: int, name: str | os.PathLike
) -> dict:
    """Returns how far an exported file is from `model.detect`.

    Every detection of the file must be one of the model's, and the other way round; their order may differ where
    scores are as good as equal.

    Args:
        model: `CenterNet`.
        images: as `model.detect` takes them, of any sizes.
        runs: ways to ask the file: functions (`Detections` of the model with image and path, calibration or None) ->
            {name: (N, ...) array}, places in original pixels, boxes clipped to the image and with an area.
        threshold: lowest score that is compared.
        top_k: N of the file.
        name: of the file, for the error.

    Returns:
        "images", "detections" compared, "box_pixels" and "score": largest absolute differences; "same_classes";
        and the largest difference of what else both give.

    Raises:
        UserError: a difference beyond 0.5 px, 0.001 of score (or of the value, for what is no place) or another
            class; nothing reaches the threshold.
    """
    calibration = camera.DEFAULT_CALIBRATION if model.task.needs_camera else None
    worst = {"images": 0, "detections": 0, "box_pixels": 0.0, "score": 0.0, "same_classes": True}
    for image in images if isinstance(images, list | tuple) else [images]:
        (found,) = model.detect([image], calibration, threshold=0.0, top_k=top_k)
        ours = {"boxes_xyxy": found.boxes_xyxy, "scores": found.scores, "classes": found.classes, **found.extras}
        worst["images"] += 1
        for run in runs:
            theirs = run(found, calibration)
            noise = _score_noise(ours, theirs)
            worst["detections"] += _add(worst, theirs, ours, threshold, noise)
            _add(worst, ours, theirs, threshold, noise)
    _check(worst, threshold, name)
    return {key: value for key, value in worst.items() if not key.startswith("share of ")}


def milliseconds(call: Callable) -> float:
    """Returns the median time of a few calls, the first one not counted."""
    call()
    times = []
    for _ in range(TIMED_CALLS):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _score_noise(ours: dict, theirs: dict) -> float:
    """Returns how close scores must be for their order to mean nothing."""
    count = min(len(ours["scores"]), len(theirs["scores"]))
    difference = np.abs(np.sort(ours["scores"])[::-1][:count] - np.sort(theirs["scores"])[::-1][:count])
    return min(float(difference.max(initial=0.0)), SCORE) + np.finfo(np.float32).eps


def _add(worst: dict, rows: dict, others: dict, threshold: float, noise: float) -> int:
    """Adds how far each of the rows is from its partner among the others; returns the number of rows compared.

    Rows that are as low as the last of the others are left out: their partners may come after that one.
    """
    sides = rows["boxes_xyxy"][:, 2:] - rows["boxes_xyxy"][:, :2]
    least = others["scores"].min(initial=1.0) + noise
    kept = (rows["scores"] >= threshold) & (rows["scores"] > least) & np.all(sides >= LEAST_SIDE, axis=1)
    if not kept.any():
        return 0
    rows = {key: value[kept] for key, value in rows.items()}
    partner = _partners(rows, others)
    found = {key: np.abs(value - others[key][partner]) for key, value in rows.items() if key in others}
    worst["same_classes"] &= not np.any(found.pop("classes"))
    worst["box_pixels"] = max(worst["box_pixels"], float(found.pop("boxes_xyxy").max()))
    worst["score"] = max(worst["score"], float(found.pop("scores").max()))
    for key, difference in found.items():
        limit = BOX_PIXELS if is_position(key) else OTHERS * np.maximum(1.0, np.abs(rows[key]))
        worst[key] = max(worst.get(key, 0.0), float(difference.max()))
        share = f"share of {key}"
        worst[share] = max(worst.get(share, 0.0), float(np.mean(difference > limit)))
    return len(partner)


def _partners(rows: dict, others: dict) -> np.ndarray:
    """Returns for each row the index of the other one that is most like it, measured in tolerances."""
    boxes = np.abs(rows["boxes_xyxy"][:, None] - others["boxes_xyxy"]).max(axis=-1)
    scores = np.abs(rows["scores"][:, None] - others["scores"])
    classes = rows["classes"][:, None] != others["classes"]
    return np.argmin(boxes / BOX_PIXELS + scores / SCORE + classes, axis=1)


def _check(worst: dict, threshold: float, name: str) -> None:
    if not worst["detections"]:
        raise UserError(
            f"{name}: expected detections to compare, none of the {worst['images']} pictures has one with a score of "
            f"{threshold} or more that is above the lowest score of its list. Give pictures with objects, or a lower "
            "threshold."
        )
    wrong = [key for key, share in worst.items() if key.startswith("share of ") and share > SHARE_OF_OTHERS]
    wrong = [key.removeprefix("share of ") for key in wrong]
    wrong += ["box_pixels"] * (worst["box_pixels"] > BOX_PIXELS) + ["score"] * (worst["score"] > SCORE)
    if wrong or not worst["same_classes"]:
        differences = [f"{key} by {worst[key]:.4g}" for key in wrong]
        differences += [] if worst["same_classes"] else ["classes"]
        raise UserError(
            f"{name}: expected the detections of model.detect within {BOX_PIXELS} px and {SCORE} of score, the file's "
            f"differ in {', '.join(differences)}. Export it again from this model."
        )
