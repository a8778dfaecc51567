"""The losses of the heads, as sums and counts.

Every loss returns (total, count); its figure is `mean(total, count)`. Keeping the two apart lets a
training step add both over replicas before it divides, so that N devices with one global batch give
the gradients of a single device. All arithmetic is float32.
"""

from keras import ops

from keras_centernet.specs import Tensor

POSITIVE_POWER = 2.0  # alpha of the paper: how fast easy pixels lose weight
NEGATIVE_POWER = 4.0  # beta of the paper: how fast pixels near a centre lose weight
COUNT_EPSILON = 1e-4  # As published: keeps the L1 mean of an empty batch finite.


def mean(total: Tensor, count: Tensor) -> Tensor:
    """Returns total / count, or the bare total where nothing was counted (a batch without objects)."""
    return total / ops.where(count > 0, count, 1.0)


def penalty_reduced_focal(logits: Tensor, target: Tensor, clip: float | None = None) -> tuple[Tensor, Tensor]:
    """Returns the focal loss of a heatmap whose pixels near a centre are punished less.

    -(1 - p)^2 log p where the target is 1, -(1 - t)^4 p^2 log(1 - p) elsewhere, summed; the count is
    the number of ones. Written in log-sigmoid form with its own gradient: no clamp is needed and
    nothing overflows in half precision.

    Args:
        logits: (B, Hf, Wf, C) raw heatmap.
        target: (B, Hf, Wf, C) float32 in 0..1, exactly 1 at centres.
        clip: None, or a small number such as 1e-4: clamp p to [clip, 1 - clip] as the published code
            does; the gradient outside is then zero.

    Returns:
        (total, count), two float32 scalars.

    Source: paper eq. 1; `_neg_loss` of the published code (which clamps p at 1e-4).
    """
    logits = ops.cast(logits, "float32")
    target = ops.cast(target, "float32")
    positive = ops.cast(ops.equal(target, 1.0), "float32")
    negative_weight = (1 - positive) * ops.power(1 - target, NEGATIVE_POWER)
    count = ops.sum(positive)
    if clip is not None:
        return _clipped_focal(logits, positive, negative_weight, clip), count
    return _focal_sum(logits, positive, negative_weight), count


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


def _clipped_focal(logits, positive, negative_weight, clip: float):
    p = ops.clip(ops.sigmoid(logits), clip, 1 - clip)
    pull = positive * ops.power(1 - p, POSITIVE_POWER) * ops.log(p)
    push = negative_weight * ops.power(p, POSITIVE_POWER) * ops.log(1 - p)
    return -ops.sum(pull + push)


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the sum of absolute errors at real objects and the number of coordinates summed.

    Args:
        prediction: (B, M, D) values read at the objects.
        target: (B, M, D) float32.
        mask: (B, M) or (B, M, D); false rows count nothing.

    Returns:
        (total, count), two float32 scalars. As published the count is over coordinates (2 N for sizes
        and offsets, half of the paper's 1 / N sum) plus 1e-4.

    Source: paper eq. 2 and 3; `RegL1Loss` of the published code.
    """
    prediction, target = ops.cast(prediction, "float32"), ops.cast(target, "float32")
    mask = ops.cast(mask, "float32")
    if len(mask.shape) < len(prediction.shape):
        mask = mask[..., None]
    mask = ops.broadcast_to(mask, ops.shape(prediction))
    return ops.sum(ops.abs(prediction - target) * mask), ops.sum(mask) + COUNT_EPSILON
