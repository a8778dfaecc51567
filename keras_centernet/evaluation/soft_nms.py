"""Gaussian soft-NMS, which merges the detections of several scales."""

import numpy as np

SIGMA = 0.5
LOWEST = 0.001  # boxes whose score falls below it are dropped


def soft_nms(
    boxes_xyxy: np.ndarray, scores: np.ndarray, as_published: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the detections of one class with the scores of overlapping ones lowered, best first.

    The best box is taken and the scores of all others are multiplied by exp(-IoU^2 / 0.5), then the best of the
    others is taken, and so on. IoU counts pixels (sides are one longer than the differences of corners).

    Args:
        boxes_xyxy: (N, 4) image pixels.
        scores: (N,).
        as_published: whether dropped boxes leave traces. The published code shortens the list by copying the last box
            over a dropped one, but then uses the list at its full length, so that boxes occur twice at its end. It
            swaps whatever else a row holds (such as keypoints) instead of copying it. False: dropped boxes are gone.

    Returns:
        Rows of the boxes (n,), rows of whatever else belongs to them (n,) and scores (n,) float32; n is N as
        published.

    Source: Bodla et al. 2017, "Soft-NMS"; `soft_nms` and `soft_nms_39` of the published code, method 2.
    """
    boxes, scores = np.asarray(boxes_xyxy, np.float32), np.array(scores, np.float32)
    box_rows, more_rows = np.arange(len(scores)), np.arange(len(scores))
    count, first = len(scores), 0
    while first < count:
        best = first + int(np.argmax(scores[first:count]))
        for values in (box_rows, more_rows, scores):
            values[[first, best]] = values[[best, first]]
        others = slice(first + 1, count)
        before = scores[others].copy()
        overlaps = _iou(boxes[box_rows[first]], boxes[box_rows[others]])
        scores[others] *= np.exp(-(overlaps**2) / np.float32(SIGMA))
        count = _drop(box_rows, more_rows, scores, before, first + 1, count)
        first += 1
    kept = len(scores) if as_published else count
    return box_rows[:kept], more_rows[:kept], scores[:kept]


def _drop(box_rows, more_rows, scores, before, start: int, count: int) -> int:
    """Copies the last box over every dropped one, in place; returns how many remain.

    Args:
        before: scores from `start` on before this round, which the last box leaves behind at its own index.
    """
    lowered, row = scores[start:count].copy(), start
    while (dropped := np.flatnonzero(lowered[row - start : count - start] < LOWEST)).size:
        row += int(dropped[0])
        count -= 1
        box_rows[row] = box_rows[count]
        more_rows[[row, count]] = more_rows[[count, row]]
        lowered[row - start] = lowered[count - start]
        if row < count:
            scores[count] = before[count - start]
    scores[start:count] = lowered[: count - start]
    return count


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    wh = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]) + 1
    common = np.where((wh > 0).all(axis=1), wh[:, 0] * wh[:, 1], np.float32(0))
    return common / (_area(box) + _area(boxes) - common)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2] - boxes[..., 0] + 1) * (boxes[..., 3] - boxes[..., 1] + 1)
