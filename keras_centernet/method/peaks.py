"""Finds the peaks of a heatmap and reads other maps there, which replaces anchors and NMS.

Pure functions of tensors with static shapes, made of operators that phones have.
"""

import math

from keras import ops

from keras_centernet.method.by_image import map_images, maps_images
from keras_centernet.method.specs import Tensor

NO_PEAK = -1e4  # a logit that is never a detection and survives float16
TIE_SHARE = 1 / 512  # of 255 steps: less than half a step, so that cells of different values keep their order


def local_maxima(logits: Tensor) -> Tensor:
    """Returns the raw heatmap (B, Hf, Wf, C) with all but 3x3 local maxima replaced by `NO_PEAK`; ties survive.

    Source: paper section 3 (a peak is at least as high as its 8 neighbours). As the sigmoid is
    monotonic the test is made on logits; the two pooling passes equal one 3x3 pass and are faster.
    """
    pooled = ops.max_pool(logits, (1, 3), strides=1, padding="same")
    pooled = ops.max_pool(pooled, (3, 1), strides=1, padding="same")
    return ops.where(ops.equal(pooled, logits), logits, ops.cast(NO_PEAK, logits.dtype))


def part_ties(logits: Tensor) -> Tensor:
    """Returns a heatmap (B, Hf, Wf, C) that was rounded to 8 bits, with ties of cells broken by the cells around them.

    The top of a wide peak is flat: after rounding, several of its cells have the same value and all pass as local
    maxima, each a detection of the same object. The mean of 3x3 cells has finer steps than one cell, and is highest in
    the middle of the flat top. Each logit moves by less than half a step.
    """
    return logits + TIE_SHARE * (ops.average_pool(logits, 3, strides=1, padding="same") - logits)


def top_peaks(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the K highest local maxima over all classes, exactly, in two cheap stages.

    First the K cells with the highest class maximum, then the K best of their K * C values. This is
    exact: if a winner lay in another cell, K cells would each hold a value at least as high.

    Args:
        logits: (B, Hf, Wf, C) raw heatmap.
        top_k: K; at most Hf * Wf.

    Returns:
        (scores (B, K) float32 descending, classes (B, K) int32, index (B, K) int32 = y * Wf + x).

    Source: paper section 3; `_topk` of the published code sorts C lists of K instead.
    """
    cells, num_classes = logits.shape[1] * logits.shape[2], logits.shape[3]
    top_k = min(top_k, cells)
    peaks = ops.reshape(local_maxima(logits), (-1, cells, num_classes))
    _, cell_index = ops.top_k(ops.max(peaks, axis=-1), top_k)
    candidates = ops.reshape(read_at(peaks, cell_index), (-1, top_k * num_classes))
    best, flat_index = ops.top_k(candidates, top_k)
    flat_index = ops.cast(flat_index, "int32")
    rank = flat_index // num_classes
    index = read_at(ops.cast(cell_index, "int32")[..., None], rank)[..., 0]
    return ops.sigmoid(ops.cast(best, "float32")), flat_index - rank * num_classes, index


def channel_peaks(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Returns the K highest local maxima of every channel by itself; arguments as in `top_peaks`.

    Returns:
        (scores (B, C, K) float32 descending, index (B, C, K) int32 = y * Wf + x).

    Source: `_topk_channel` of the published code.
    """
    cells, channels = logits.shape[1] * logits.shape[2], logits.shape[3]
    peaks = ops.transpose(ops.reshape(local_maxima(logits), (-1, cells, channels)), (0, 2, 1))
    best, index = ops.top_k(peaks, min(top_k, cells))
    return ops.sigmoid(ops.cast(best, "float32")), ops.cast(index, "int32")


def read_at(values: Tensor, index: Tensor) -> Tensor:
    """Returns the (B, N, D) vectors of a map (B, Hf, Wf, D) or (B, cells, D) at cells (B, N) int, y * Wf + x."""
    cells, depth = math.prod(values.shape[1:-1]), values.shape[-1]
    index = ops.cast(index, "int32")
    if maps_images():
        rows = ops.reshape(values, (-1, cells, depth))
        return map_images(lambda rows, index: ops.take(rows, index, axis=0), rows, index)
    if values.shape[0] != 1:  # a static batch of one, as in exported files, needs no batch arithmetic
        index = index + ops.arange(ops.shape(values)[0], dtype="int32")[:, None] * cells
    rows = ops.take(ops.reshape(values, (-1, depth)), ops.reshape(index, (-1,)), axis=0)
    return ops.reshape(rows, (-1, index.shape[1], depth))


def cell_xy(index: Tensor, map_width: int) -> Tensor:
    """Returns the (B, N, 2) float32 cell coordinates (x, y) of flat indices (B, N)."""
    y = index // map_width
    return ops.cast(ops.stack([index - y * map_width, y], axis=-1), "float32")
