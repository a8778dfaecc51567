"""The KITTI object benchmark's average precision: 2D, orientation, bird's eye and 3D."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_centernet.data.formats.kitti.labels import KittiObjects
from keras_centernet.errors import UserError
from keras_centernet.evaluation.metrics.rotated_overlap import bird_eye_iou, volume_iou
from keras_centernet.geometry import box_areas, box_intersections, box_iou


@dataclass(frozen=True)
class Difficulty:
    """Limits within which an object counts; others are no misses, and detecting one is no false positive."""

    lowest_height: float  # pixels, exclusive
    highest_occlusion: int
    highest_truncation: float


DIFFICULTIES = {"easy": Difficulty(40, 0, 0.15), "moderate": Difficulty(25, 1, 0.30), "hard": Difficulty(25, 2, 0.50)}
# Lowest overlap at which a detection finds an object, in 2D, bird's eye view and 3D: the benchmark's values.
MIN_OVERLAPS = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
NEIGHBOURS = {"Car": ("Van",), "Pedestrian": ("Person_sitting",)}  # detecting one is no false positive
REGION = "DontCare"
RECALL_STEPS = 40
OTHER, COUNTS, HARMLESS = -1, 0, 1  # the role of an object for one class and difficulty


def kitti_average_precision(
    truth: Sequence[KittiObjects],
    found: Sequence[KittiObjects],
    classes: Sequence[str] = ("Pedestrian", "Car", "Cyclist"),
    min_overlaps: dict[str, float] | None = None,
) -> dict:
    """Returns KITTI's average precision of each class, in 0..100.

    Args:
        truth: the labels of every frame.
        found: the detections in the same frames, with scores.
        classes: names of those to evaluate.
        min_overlaps: {class: lowest overlap}, in place of those in `MIN_OVERLAPS`. The paper's bird's eye AP uses 0.5.

    Returns:
        {class: {"2d" | "aos" | "bev" | "3d": {"easy" | "moderate" | "hard": {"R11": , "R40": }}}}; None
        if a class has no object of a difficulty.

    Raises:
        UserError: the numbers of frames differ, or detections have no scores.

    Source: rules of the official `evaluate_object_3d_offline`. Deliberate difference: the official program
        reads precision at one recall per labelled object, so that with fewer than 41 objects AP stays below
        100; here the 41 recalls are then spread evenly over the objects.
    """
    if len(truth) != len(found):
        raise UserError(f"kitti: expected detections of {len(truth)} frames, one each, got {len(found)}.")
    if any(frame.scores is None for frame in found):
        raise UserError("kitti: expected detections with scores, got labels.")
    overlaps = {kind: [overlap(*pair) for pair in zip(found, truth, strict=True)] for kind, overlap in KINDS.items()}
    regions = [_share_in_regions(*pair) for pair in zip(found, truth, strict=True)]
    by_class = {}
    for name in classes:
        least = (MIN_OVERLAPS | (min_overlaps or {})).get(name, 0.5)
        by_kind = {kind: {} for kind in ("2d", "aos", "bev", "3d")}
        for level, difficulty in DIFFICULTIES.items():
            frames = [
                _Frame(*pair, region, name, difficulty) for *pair, region in zip(truth, found, regions, strict=True)
            ]
            for kind in KINDS:
                values, similarities = _curves(frames, overlaps[kind], least, kind == "2d")
                by_kind[kind][level] = _means(values)
                if kind == "2d":
                    by_kind["aos"][level] = _means(similarities)
        by_class[name] = by_kind
    return by_class


class _Frame:
    """Which objects and detections of one frame count, for one class and difficulty."""

    def __init__(self, truth: KittiObjects, found: KittiObjects, in_regions, name: str, difficulty: Difficulty):
        heights = truth.boxes_xyxy[:, 3] - truth.boxes_xyxy[:, 1]
        is_beyond = (truth.occlusions > difficulty.highest_occlusion) | (heights <= difficulty.lowest_height)
        is_beyond |= truth.truncations > difficulty.highest_truncation
        is_class = np.array([kind == name for kind in truth.types], bool)
        is_neighbour = np.array([kind in NEIGHBOURS.get(name, ()) for kind in truth.types], bool)
        self.truth = np.where(is_class & ~is_beyond, COUNTS, np.where(is_class | is_neighbour, HARMLESS, OTHER))
        is_low = found.boxes_xyxy[:, 3] - found.boxes_xyxy[:, 1] < difficulty.lowest_height
        is_found = np.array([kind == name for kind in found.types], bool)
        # As published by the benchmark: boxes below the lowest height are ignored in all classes, not only in this one.
        self.found = np.where(is_low, HARMLESS, np.where(is_found, COUNTS, OTHER))
        self.scores, self.in_regions = np.asarray(found.scores), in_regions
        self.true_alphas, self.found_alphas = truth.alphas, found.alphas

    def scores_of_hits(self, overlaps: np.ndarray, least: float) -> list[float]:
        """Returns the scores of true positives if every object takes the best-scored detection that overlaps it."""
        taken, scores = np.zeros(len(self.found), bool), []
        for i in np.flatnonzero(self.truth != OTHER):
            able = (self.found != OTHER) & ~taken & (overlaps[:, i] > least)
            if not able.any():
                continue
            best = int(np.argmax(np.where(able, self.scores, -np.inf)))
            taken[best] = True
            if self.truth[i] == COUNTS and self.found[best] == COUNTS:
                scores.append(float(self.scores[best]))
        return scores

    def count(self, overlaps: np.ndarray, least: float, threshold: float, with_regions: bool):
        """Returns (true positives, false positives, misses, summed similarity of orientation) at a lowest score."""
        usable = (self.found != OTHER) & (self.scores >= threshold)
        taken, hits, misses, similarity = np.zeros(len(self.found), bool), 0, 0, 0.0
        for i in np.flatnonzero(self.truth != OTHER):
            able = usable & ~taken & (overlaps[:, i] > least)
            for kind in (COUNTS, HARMLESS):  # detections that count are taken before harmless ones
                chosen = able & (self.found == kind)
                if chosen.any():
                    break
            else:
                misses += self.truth[i] == COUNTS
                continue
            best = int(np.argmax(np.where(chosen, overlaps[:, i], -1)))
            taken[best] = True
            if self.truth[i] == COUNTS and kind == COUNTS:
                hits += 1
                similarity += (1 + np.cos(self.true_alphas[i] - self.found_alphas[best])) / 2
        wrong = usable & ~taken & (self.found == COUNTS)
        if with_regions:
            wrong &= ~(self.in_regions > least)
        return hits, int(wrong.sum()), int(misses), similarity


def _curves(frames: list[_Frame], overlaps: list[np.ndarray], least: float, with_regions: bool):
    """Returns precision and orientation similarity at 41 recalls, or (None, None) without objects."""
    objects = sum(int(np.sum(frame.truth == COUNTS)) for frame in frames)
    if objects == 0:
        return None, None
    pairs = [pair for pair in zip(frames, overlaps, strict=True) if np.any(pair[0].found != OTHER)]
    scores = [score for frame, values in pairs for score in frame.scores_of_hits(values, least)]
    precision, similarity = np.zeros(RECALL_STEPS + 1), np.zeros(RECALL_STEPS + 1)
    known = {}
    for step, threshold in _thresholds(sorted(scores, reverse=True), objects):
        if threshold not in known:
            counts = [frame.count(values, least, threshold, with_regions) for frame, values in pairs]
            hits, wrong, _, summed = np.sum(counts, axis=0)
            known[threshold] = (hits, summed) / max(hits + wrong, 1)
        precision[step], similarity[step] = known[threshold]
    # As published by the benchmark: precision never rises with recall.
    return tuple(np.maximum.accumulate(values[::-1])[::-1] for values in (precision, similarity))


def _thresholds(scores: list[float], objects: int) -> list[tuple[int, float]]:
    """Returns the pairs (index among 41 recalls, lowest score) at which precision is read."""
    if objects <= RECALL_STEPS:
        needed = [max(1, int(np.ceil(step * objects / RECALL_STEPS - 1e-9))) for step in range(RECALL_STEPS + 1)]
        return [(step, scores[count - 1]) for step, count in enumerate(needed) if count <= len(scores)]
    chosen, recall = [], 0.0
    for i, score in enumerate(scores):
        left, is_last = (i + 1) / objects, i == len(scores) - 1
        right = left if is_last else (i + 2) / objects
        if right - recall < recall - left and not is_last:
            continue
        chosen.append((len(chosen), score))
        recall += 1 / RECALL_STEPS
    return chosen[: RECALL_STEPS + 1]


def _means(values: np.ndarray | None) -> dict:
    if values is None:
        return {"R11": None, "R40": None}
    return {"R11": 100 * float(values[::4].mean()), "R40": 100 * float(values[1:].mean())}


def _image_iou(found: KittiObjects, truth: KittiObjects) -> np.ndarray:
    return box_iou(found.boxes_xyxy, truth.boxes_xyxy)


def _share_in_regions(found: KittiObjects, truth: KittiObjects) -> np.ndarray:
    """Returns (N,): the share of each detection that lies inside the DontCare region that covers most of it."""
    regions = truth.boxes_xyxy[[kind == REGION for kind in truth.types]]
    areas = np.maximum(box_areas(found.boxes_xyxy), 1e-9)
    return (box_intersections(found.boxes_xyxy, regions) / areas[:, None]).max(axis=1, initial=0)


def _boxes_3d(objects: KittiObjects) -> np.ndarray:
    parts = objects.dimensions_hwl, objects.locations_xyz, objects.rotations_y[:, None]
    return np.concatenate([np.asarray(part, np.float64) for part in parts], axis=1)


KINDS = {
    "2d": _image_iou,
    "bev": lambda found, truth: bird_eye_iou(_boxes_3d(found), _boxes_3d(truth)),
    "3d": lambda found, truth: volume_iou(_boxes_3d(found), _boxes_3d(truth)),
}
