"""The losses of the heads, as totals and counts, all in float32.

The value of a loss is the sum of total / `divisor(count)`; they are apart so that a training step can divide by the
count of all replicas. A loss of several terms, each with its own count, returns vectors of totals and counts.
"""

import dataclasses
from collections.abc import Callable

from keras import ops

from keras_centernet.method.specs import Tensor

POSITIVE_POWER = 2.0  # alpha of the paper: how fast easy pixels lose weight
NEGATIVE_POWER = 4.0  # beta of the paper: how fast pixels near a centre lose weight
COUNT_EPSILON = 1e-4  # As published: keeps the L1 mean of an empty batch finite.
CLIP = 1e-4  # As published: where probabilities are clamped
LEAST_SIDE = 1e-3  # cells: sides are taken to be at least that long when boxes are compared


def divisor(count: Tensor) -> Tensor:
    """Returns what a total is divided by: its count, or one if nothing was counted (a batch without objects)."""
    return ops.where(count > 0, count, 1.0)


def penalty_reduced_focal(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the focal loss of a heatmap whose pixels near a centre are punished less.

    -(1 - p)^2 log p where the target is 1, -(1 - t)^4 p^2 log(1 - p) elsewhere, summed; the count is
    the number of ones. Written in log-sigmoid form with its own gradient: no clamp is needed and
    nothing overflows in half precision.

    Args:
        logits: (B, Hf, Wf, C) raw heatmap.
        target: (B, Hf, Wf, C) float32 in 0..1, exactly 1 at centres.

    Source: paper eq. 1; `_neg_loss` of the published code, which clamps p: see `clipped_focal`.
    """
    positive, negative_weight = _pixel_weights(target)
    return _focal_sum(ops.cast(logits, "float32"), positive, negative_weight), ops.sum(positive)


def clipped_focal(logits: Tensor, target: Tensor, clip: float = CLIP) -> tuple[Tensor, Tensor]:
    """Returns `penalty_reduced_focal` with p clamped to [clip, 1 - clip], outside of which the gradient is zero.

    Source: `_sigmoid` and `_neg_loss` of the published code.
    """
    positive, negative_weight = _pixel_weights(target)
    p = ops.clip(ops.sigmoid(ops.cast(logits, "float32")), clip, 1 - clip)
    pull = positive * ops.power(1 - p, POSITIVE_POWER) * ops.log(p)
    push = negative_weight * ops.power(p, POSITIVE_POWER) * ops.log(1 - p)
    return -ops.sum(pull + push), ops.sum(positive)


def _pixel_weights(target: Tensor) -> tuple[Tensor, Tensor]:
    """Returns which pixels are centres (1 or 0), and how much each of the others counts."""
    target = ops.cast(target, "float32")
    positive = ops.cast(ops.equal(target, 1.0), "float32")
    return positive, (1 - positive) * ops.power(1 - target, NEGATIVE_POWER)


@ops.custom_gradient
def _focal_sum(logits, positive, negative_weight):
    p = ops.sigmoid(logits)
    log_p = ops.log_sigmoid(logits)
    log_not_p = log_p - logits
    p2, not_p2 = ops.square(p), ops.square(1 - p)
    total = -ops.sum(positive * not_p2 * log_p + negative_weight * p2 * log_not_p)

    def gradient(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        pull = positive * not_p2 * (POSITIVE_POWER * p * log_p - (1 - p))
        push = negative_weight * p2 * (p - POSITIVE_POWER * (1 - p) * log_not_p)
        return upstream * (pull + push), None, None

    return total, gradient


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the sum of absolute errors at real objects and the number of coordinates summed.

    Args:
        prediction: (B, M, D) values read at the objects.
        target: (B, M, D) float32.
        mask: (B, M) or (B, M, D), bool or weights; false rows do not count.

    As published the count is over coordinates (2 N for sizes and offsets, half of the paper's 1 / N sum) plus 1e-4.

    Source: paper eq. 2 and 3; `RegL1Loss` of the published code.
    """
    return _masked_sum(ops.abs, prediction, target, mask)


def masked_smooth_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns `masked_l1` with `smooth_l1` in place of the absolute error."""
    return _masked_sum(smooth_l1, prediction, target, mask)


def _masked_sum(measure: Callable, prediction, target, mask) -> tuple[Tensor, Tensor]:
    prediction, target = ops.cast(prediction, "float32"), ops.cast(target, "float32")
    mask = ops.cast(mask, "float32")
    if len(mask.shape) < len(prediction.shape):
        mask = mask[..., None]
    mask = ops.broadcast_to(mask, ops.shape(prediction))
    return ops.sum(measure(prediction - target) * mask), ops.sum(mask) + COUNT_EPSILON


def slot_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the sum of absolute errors at real objects and the number of all coordinates, real or padded.

    Same arguments as `masked_l1`. The loss depends on M: twice the padding halves it.

    Source: `L1Loss` of the published code, which trained the published 3D weights.
    """
    total, _ = masked_l1(prediction, target, mask)
    return total, ops.cast(ops.size(prediction), "float32")


def bin_and_residual(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the four terms of the orientation loss: class of each of two bins, residual within each.

    A bin's class is a two-way cross-entropy, averaged over all slots as published (empty ones have zero
    logits and add a constant ln 2); its residual is the smooth L1 of sine and cosine, averaged over the
    objects that lie in the bin.

    Args:
        prediction: (B, M, 8): logits off and on, sine, cosine of the first bin, then of the second.
        target: (B, M, 4): whether in the first and second bin, residual angle in each.
        mask: (B, M).

    Returns:
        (totals (4,), counts (4,)) float32: class 1, class 2, residual 1, residual 2.

    Source: paper supplementary "orientation"; `BinRotLoss` of the published code.
    """
    prediction, target = ops.cast(prediction, "float32"), ops.cast(target, "float32")
    mask = ops.cast(mask, "float32")
    slots = ops.cast(ops.size(mask), "float32")
    classes, residuals = [], []
    for i in range(2):
        off, on, sine, cosine = (prediction[..., 4 * i + j] for j in range(4))
        is_on, angle = target[..., i], target[..., 2 + i]
        margin = (on - off) * mask * (2 * is_on - 1)
        classes.append((-ops.sum(ops.log_sigmoid(margin)), slots))
        error = smooth_l1(sine - ops.sin(angle)) + smooth_l1(cosine - ops.cos(angle))
        residuals.append((ops.sum(error * is_on), ops.sum(is_on)))
    totals, counts = zip(*classes, *residuals, strict=True)
    return ops.stack(totals), ops.stack(counts)


def smooth_l1(error: Tensor) -> Tensor:
    """Returns error^2 / 2 where |error| is below 1, else |error| - 1 / 2."""
    size = ops.abs(error)
    return ops.where(size < 1, 0.5 * ops.square(error), size - 0.5)


def box_giou(prediction: Tensor, target: Tensor, mask: Tensor, offset: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Returns 1 - GIoU of the decoded boxes, summed over objects, and the number of objects: a loss of sizes.

    The box of an object is `offset` +- size / 2 around its cell, so that offsets get this gradient, too.

    Args:
        prediction: (B, M, 2) widths and heights in cells.
        target: (B, M, 2).
        mask: (B, M).
        offset: (prediction (B, M, 2), target (B, M, 2)) of the centres, in cells, from the cell of each row.

    Source: Rezatofighi et al. 2019, "Generalized Intersection over Union".
    """
    mask = ops.cast(mask, "float32")
    boxes = [_corners(*pair) for pair in zip(offset, (prediction, target), strict=True)]
    (low, high, area), (true_low, true_high, true_area) = boxes
    common = ops.prod(ops.maximum(ops.minimum(high, true_high) - ops.maximum(low, true_low), 0.0), axis=-1)
    hull = ops.prod(ops.maximum(high, true_high) - ops.minimum(low, true_low), axis=-1)
    union = area + true_area - common
    giou = common / union - (hull - union) / hull
    return ops.sum((1 - giou) * mask), ops.sum(mask)


def _corners(centers_xy, sizes_wh):
    """Returns upper left corners, lower right corners (..., 2) and areas (...) of boxes."""
    centers_xy, sizes_wh = ops.cast(centers_xy, "float32"), ops.cast(sizes_wh, "float32")
    sizes_wh = ops.maximum(sizes_wh, LEAST_SIDE)
    return centers_xy - sizes_wh / 2, centers_xy + sizes_wh / 2, ops.prod(sizes_wh, axis=-1)


@dataclasses.dataclass(frozen=True)
class HeadLoss:
    """One row of the table of losses.

    Attributes:
        compute: `HeadSpec.loss`.
        of_maps: whether it compares whole maps, for heads that are read everywhere, instead of rows.
        of_boxes: whether it compares boxes, for heads with a `HeadSpec.box_center`: its argument "offset" is the
            (prediction, target) of that head.
    """

    compute: Callable
    of_maps: bool = False
    of_boxes: bool = False


# What `CenterNet(head_losses={head: name})` may name.
LOSSES = {
    "focal": HeadLoss(penalty_reduced_focal, of_maps=True),
    "clipped_focal": HeadLoss(clipped_focal, of_maps=True),
    "l1": HeadLoss(masked_l1),
    "smooth_l1": HeadLoss(masked_smooth_l1),
    "slot_l1": HeadLoss(slot_l1),
    "giou": HeadLoss(box_giou, of_boxes=True),
}
