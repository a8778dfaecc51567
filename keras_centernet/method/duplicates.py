"""Of several detections of one object, puts all but the best last: for networks that were trained on few images."""

import numpy as np
from keras import ops

from keras_centernet.method.peaks import read_at
from keras_centernet.method.specs import Tensor

ROUNDS = 12  # after which the result is exact for chains of so many detections, each overlapping the one before


def drop_duplicates(found: dict, iou: float) -> dict:
    """Returns decoded detections, in which those that overlap a better one of their class have the score -1.

    The result is that of greedy non-maximum suppression, without a loop over detections, in operators that phones have.
    (In chains of more than `ROUNDS` overlapping detections it can differ.) Every detection is compared with every other
    one, so that K should be hundreds, not thousands.

    Args:
        found: of `decode.decode`: "boxes_xyxy" (B, K, 4), "scores" (B, K) descending, "classes" (B, K) and more
            (B, K, ...).
        iou: two boxes overlap if their intersection over union is larger.

    Returns:
        The same keys and shapes: first the detections that stay, then the dropped ones, both in their old order.

    Source: greedy NMS in rounds as "Cluster-NMS" (Zheng et al. 2020). The published code has none for single views.
    """
    count = found["boxes_xyxy"].shape[1]
    is_better = ops.convert_to_tensor(np.tril(np.ones((count, count), "float32"), -1))  # [i, j]: j comes before i
    covers = ops.cast(_overlap(found["boxes_xyxy"], found["classes"], iou), "float32") * is_better
    stays = ops.ones_like(found["scores"])
    for _ in range(ROUNDS):
        stays = 1 - ops.max(covers * stays[:, None], axis=-1)
    order_keys = stays * count - ops.arange(count, dtype="float32") / 2  # all differ
    _, order = ops.top_k(order_keys, count)
    scores = found["scores"] * stays - (1 - stays)
    return {key: _take(value, order) for key, value in (found | {"scores": scores}).items()}


def _overlap(boxes_xyxy: Tensor, classes: Tensor, iou: float) -> Tensor:
    """Returns (B, K, K) bool: whether two boxes of one class overlap."""
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    areas = _area(high - low)
    common = _area(ops.minimum(high[:, :, None], high[:, None]) - ops.maximum(low[:, :, None], low[:, None]))
    overlap = common > iou * (areas[:, :, None] + areas[:, None] - common)
    return ops.logical_and(overlap, ops.equal(classes[:, :, None], classes[:, None]))


def _area(sizes_wh: Tensor) -> Tensor:
    sizes_wh = ops.maximum(sizes_wh, 0.0)
    return sizes_wh[..., 0] * sizes_wh[..., 1]


def _take(values: Tensor, order: Tensor) -> Tensor:
    """Returns (B, K, ...) values in an order (B, K)."""
    shape = tuple(values.shape[1:])
    rows = read_at(ops.reshape(values, (-1, shape[0], int(np.prod(shape[1:])))), order)
    return ops.reshape(rows, (-1, *shape))
