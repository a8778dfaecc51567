"""How far an exported file is from the model that it was made from, on the same images."""

import dataclasses
import os
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from keras_centernet import camera
from keras_centernet.data.images import read_image
from keras_centernet.geometry import box_iou, clip_to_size, is_position, is_vector, letterbox, warp

THRESHOLD = 0.1  # lowest score that is compared, if the model finds any above it
# A detection may be missing in the other list only because that list is full: if its score is above the list's lowest
# by no more than scores differ, and by no more than this.
END_OF_LIST = 0.005
# How far a score must be from the one that training starts with for detections to be compared. The scores of an
# untrained model differ so little from each other that every runtime sorts them differently.
TELLING = 0.05
NO_PEAK = 1e-3  # lower scores only fill the list of a map with few peaks
SAME_OBJECT, SAME_PIXELS = 0.5, 2.0  # least overlap, or largest distance of corners, of one object's boxes
SCORE_PIXELS = 10.0  # among equally close boxes the score decides: 0.1 of it weighs as much as a pixel
LEAST_SIDE = 1.0  # pixels; a smaller box that an image's edge cuts may have no area in the other runtime
OTHER_PIXELS, OTHER_SHARE = 0.5, 1e-3  # how much other values may differ: positions, and the rest (relative)
BOX, SCORE, CLASS = "boxes_xyxy", "scores", "classes"
DETECTIONS, RAW_HEADS = "detections", "raw heads"  # what was compared


class Example(NamedTuple):
    """One image on which model and file are compared: (H, W, 3) uint8 RGB, its path if it has one, and its camera."""

    image: np.ndarray
    path: str | None = None
    calibration: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Opened:
    """An exported file in its runtime.

    Attributes:
        runs: ways to run it: functions of an `Example` -> {name: (N, ...) array}. They take letterboxed inputs and
            return what `CenterNet.detect_batch` does, without the batch.
        maps: function of an input (H, W, 3) -> {head: (Hf, Wf, channels) raw map}; None: the file does not give them.
        takes_any_size: whether `runs` take images of any size instead and return positions in their pixels.
        compares_maps: whether raw heads are always compared; otherwise only if no detections can be.
        notes: further entries of its report.
    """

    runs: tuple[Callable, ...]
    maps: Callable | None = None
    takes_any_size: bool = False
    compares_maps: bool = False
    notes: dict = dataclasses.field(default_factory=dict)


def compare(model: keras.Model, opened: Opened, images: list, threshold: float | None = None) -> dict:
    """Returns how far a file is from the model on the same images.

    Every detection of the model is compared with the closest one of the file that has the same class, and the other
    way round. Detections that may be missing in the other list only because it is full are left out: their scores are
    above its lowest by no more than scores differ. If all scores are those of an untrained model, the raw heads are
    compared instead, and the scores by rank.

    Args:
        model: `CenterNet` that the file was made from.
        opened: the file.
        images: paths or (H, W, 3) uint8 RGB arrays of any sizes.
        threshold: lowest score that is compared; None: 0.1, or 0 if the model finds nothing above it.

    Returns:
        "images": their number; "compared": `DETECTIONS` or `RAW_HEADS`; "detections": number of the model's that were
        compared; "missed": those of them that the file lacks; "added": those of the file that the model lacks; of the
        matched ones "mean_iou", the differences "box_pixels" and "score" (largest) and "box_pixels_p98", and by its
        name the largest difference of anything else that the task decodes; "others": see `verifying.Tolerance`;
        "same_classes": whether none is missed; if raw heads were compared, "heads": {head: correlation} and
        "head_differences": {head: largest difference as a share of its largest value}.
    """
    examples = make_examples(model, opened, images)
    asked = [(example, run(example)) for example in examples for run in opened.runs]
    pairs = [(_ask_model(model, opened, example, len(rows[SCORE])), _inside(rows, example)) for example, rows in asked]
    if threshold is None:
        highest = max((ours.rows[SCORE].max(initial=0.0) for ours, _ in pairs), default=0.0)
        threshold = THRESHOLD if highest > THRESHOLD else 0.0
    found = {"images": len(examples)} | _compare_detections(pairs if _is_trained(model, pairs) else [], threshold)
    if opened.maps and (opened.compares_maps or not found["detections"]):
        found |= _compare_maps(model, opened, images)
    if not found["detections"]:
        found["score"] = float(np.max([_difference_by_rank(*pair) for pair in pairs], initial=0.0))
    return found | {"compared": DETECTIONS if found["detections"] or not opened.maps else RAW_HEADS}


def letterboxed(image: np.ndarray, input_hw: tuple[int, int]) -> np.ndarray:
    """Returns the (H, W, 3) uint8 input of an image, as `model.detect` makes it."""
    return warp(image, letterbox(image.shape[:2], input_hw), input_hw)


def make_examples(model: keras.Model, opened: Opened, images: list) -> list[Example]:
    """Returns the images (paths or arrays) in the form that a file's `runs` take."""
    if not opened.takes_any_size:
        return [Example(letterboxed(_load(image), model.input_size)) for image in images]
    calibration = camera.DEFAULT_CALIBRATION if model.task.needs_camera else None
    return [Example(_load(image), os.fspath(image) if _is_path(image) else None, calibration) for image in images]


def _is_path(image) -> bool:
    return isinstance(image, str | os.PathLike)


def _load(image) -> np.ndarray:
    return read_image(image) if _is_path(image) else np.asarray(image)


class _Answer(NamedTuple):
    rows: dict  # those whose boxes have an area in the image
    all_scores: np.ndarray


def _ask_model(model, opened: Opened, example: Example, top_k: int) -> _Answer:
    if not opened.takes_any_size:
        found = model.detect_batch(example.image[None], top_k=top_k)
        return _inside({key: np.asarray(value)[0] for key, value in found.items()}, example)
    (found,) = model.detect([example.image], example.calibration, threshold=0.0, top_k=top_k)
    rows = {BOX: found.boxes_xyxy, SCORE: found.scores, CLASS: found.classes, **found.extras}
    return _Answer(rows, found.scores)


def _inside(rows: dict, example: Example) -> _Answer:
    boxes_xyxy, has_area = clip_to_size(rows[BOX], example.image.shape[:2])
    rows = rows | {BOX: boxes_xyxy}
    is_kept = rows[SCORE] >= 0  # others were dropped as duplicates
    return _Answer({key: value[has_area & is_kept] for key, value in rows.items()}, rows[SCORE][is_kept])


def _is_trained(model, pairs: list[tuple[_Answer, _Answer]]) -> bool:
    first_score = 1 / (1 + np.exp(-model.task.center_heatmap.bias))
    scores = np.concatenate([ours.rows[SCORE] for ours, _ in pairs])
    return bool(np.any(np.abs(scores[scores > NO_PEAK] - first_score) > TELLING))


def _compare_detections(pairs: list[tuple[_Answer, _Answer]], threshold: float) -> dict:
    worst, counts = {"box_pixels": 0.0, "score": 0.0}, np.zeros(3, int)  # compared, missed, added
    ious, box_pixels, others = [], [], {}
    for ours, theirs in pairs:
        chosen, added = _comparable(ours, theirs, threshold), _comparable(theirs, ours, threshold)
        ours, theirs = ours.rows, theirs.rows
        partners, overlaps = _match(ours, theirs, chosen)
        counts += len(partners), np.sum(partners < 0), np.sum(_match(theirs, ours, added)[0] < 0)
        mine, partners = np.flatnonzero(chosen)[partners >= 0], partners[partners >= 0]
        ious.extend(overlaps)
        for key in ours.keys() & theirs.keys() - {CLASS}:
            difference = np.abs(ours[key][mine] - theirs[key][partners])
            name = {BOX: "box_pixels", SCORE: "score"}.get(key, key)
            worst[name] = max(worst.get(name, 0.0), float(difference.max(initial=0.0)))
            if key == BOX:
                box_pixels.extend(difference.max(axis=-1))
            elif key != SCORE:
                others.setdefault(key, []).extend(np.ravel(difference > _other_limit(key, ours[key][mine])))
    detections, missed, added = counts.tolist()
    return (
        worst
        | {"detections": detections, "missed": missed, "added": added}
        | {
            "mean_iou": float(np.mean(ious)) if ious else 1.0,
            "box_pixels_p98": float(np.quantile(box_pixels, 0.98)) if box_pixels else 0.0,
            "others": max((float(np.mean(beyond)) for beyond in others.values() if beyond), default=0.0),
            "same_classes": not missed,
        }
    )


def _comparable(answer: _Answer, other: _Answer, threshold: float) -> np.ndarray:
    """Returns which rows are compared: good enough, not at the end of the other's list, and not too small."""
    rows, noise = answer.rows, min(_difference_by_rank(answer, other), END_OF_LIST) + np.finfo(np.float32).eps
    least = other.all_scores.min(initial=1.0) + noise
    sides = rows[BOX][:, 2:] - rows[BOX][:, :2]
    return (rows[SCORE] >= threshold) & (rows[SCORE] > least) & np.all(sides >= LEAST_SIDE, axis=1)


def _match(rows: dict, others: dict, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (index among the others of the same object as each chosen row, -1: none; overlaps of those found)."""
    boxes = rows[BOX][chosen]
    if not len(boxes) or not len(others[BOX]):
        return np.full(len(boxes), -1), np.empty(0)
    distances = np.abs(boxes[:, None] - others[BOX]).max(axis=-1)
    costs = distances + SCORE_PIXELS * np.abs(rows[SCORE][chosen, None] - others[SCORE])
    has_class = rows[CLASS][chosen, None] == others[CLASS]
    partners = np.where(has_class, costs, np.inf).argmin(axis=1)
    closest = np.arange(len(boxes)), partners
    overlaps = box_iou(boxes, others[BOX])[closest]
    is_same = has_class[closest] & ((distances[closest] <= SAME_PIXELS) | (overlaps >= SAME_OBJECT))
    return np.where(is_same, partners, -1), overlaps[is_same]


def _other_limit(key: str, values: np.ndarray) -> np.ndarray | float:
    return OTHER_PIXELS if is_position(key) or is_vector(key) else OTHER_SHARE * np.maximum(1.0, np.abs(values))


def _difference_by_rank(ours: _Answer, theirs: _Answer) -> float:
    # One list may be longer than the other: rounding decides which cells of a flat map are peaks.
    count = min(int(np.sum(answer.all_scores > NO_PEAK)) for answer in (ours, theirs))
    count = count or min(len(ours.all_scores), len(theirs.all_scores))
    ranked = (np.sort(answer.all_scores)[::-1][:count] for answer in (ours, theirs))
    return float(np.abs(np.subtract(*ranked)).max(initial=0.0))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    if a.std() == 0 or b.std() == 0:
        return float(np.allclose(a, b))
    return float(np.corrcoef(a, b)[0, 1])


def _compare_maps(model, opened: Opened, images) -> dict:
    of_inputs = dataclasses.replace(opened, takes_any_size=False)
    inputs = [example.image for example in make_examples(model, of_inputs, images)]
    ours = {name: np.asarray(values) for name, values in model(np.stack(inputs), training=False).items()}
    answers = [opened.maps(image) for image in inputs]
    theirs = {name: np.stack([maps[name] for maps in answers]) for name in ours}
    scales = {name: max(float(np.abs(values).max()), np.finfo(np.float32).tiny) for name, values in ours.items()}
    return {
        "heads": {name: _correlation(ours[name], theirs[name]) for name in ours},
        "head_differences": {name: float(np.abs(ours[name] - theirs[name]).max()) / scales[name] for name in ours},
    }
