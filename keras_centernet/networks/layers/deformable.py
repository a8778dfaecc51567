"""Modulated deformable convolution as a pure function of tensors.

The image is padded by one pixel of zeros and the sampling position clipped to [-1, H] x [-1, W]. With the padded width
Wp, the four corners of its bilinear interpolation are then i, i + 1, i + Wp and i + Wp + 1 of one flat index, and no
corner needs a test.

Taps are computed one after the other and summed, so that no pass holds more than one tap's samples. On TensorFlow both
directions are XLA-compiled functions inside a normal graph, which fuse each tap's interpolation into one loop.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_centernet.method.by_image import map_images, maps_images
from keras_centernet.method.specs import Tensor

_uses_xla = contextvars.ContextVar("uses_xla", default=True)


class Sampling(NamedTuple):
    """Where the taps of a convolution are without their offsets; pairs are (vertical, horizontal)."""

    kernel_hw: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def taps(self) -> int:
        """Number of taps of the kernel."""
        return self.kernel_hw[0] * self.kernel_hw[1]


def deformable_conv(inputs: Tensor, offsets: Tensor, masks: Tensor, kernel: Tensor, sampling: Sampling) -> Tensor:
    """Returns sum over taps of mask * sample(inputs, position of the tap + offset) @ kernel[tap].

    Sampling is bilinear; what lies outside the image counts as zero. A point one pixel outside or further contributes
    nothing, and one further outside has no gradient.

    Args:
        inputs: (B, H, W, C) float.
        offsets: (B, Ho, Wo, groups * taps * 2) in pixels, (dy, dx) of each tap, taps row by row.
        masks: (B, Ho, Wo, groups * taps), usually in 0..1.
        kernel: (kh, kw, C, O).
        sampling: strides, padding and so on; with groups > 1 the channels are split evenly and each
            group has its own offsets and masks.

    Returns:
        (B, Ho, Wo, O) in the dtype of `inputs`. Positions, sums over taps and
        sums of gradients are float32 also for half-precision inputs.

    Memory: at most about 18 B Ho Wo max(C, O) floats beside inputs and outputs, for any number of taps: the gradient
    gathers the samples again, one tap after the other (at 64 channels, 128x128 cells and batch 8: 0.6 GB, not 3.5).

    Source: "Deformable ConvNets v2" (Zhu et al. 2019), eq. 1; the published CenterNet's DCNv2 kernel.
        Equal to it except for points exactly one pixel outside: both give zero, but offsets have a gradient only here.
    """
    run_forward, run_backward = _compiled(sampling, _uses_xla.get())

    @ops.custom_gradient
    def differentiable(*args):
        def gradient(*upstreams, upstream=None):
            return run_backward(*args, *upstreams if upstream is None else (upstream,))

        # The custom gradient replaces autodiff of the forward pass.
        return run_forward(*(ops.stop_gradient(value) for value in args)), gradient

    matrices = ops.reshape(kernel, (sampling.taps, *kernel.shape[2:]))
    return differentiable(inputs, offsets, masks, matrices)


@contextlib.contextmanager
def without_xla() -> Iterator[None]:
    """Returns a context in which deformable convolutions are traced as ordinary operations, without XLA.

    For graphs that are exported to another runtime: not every server is built with XLA, and converters cannot read it.
    """
    token = _uses_xla.set(False)
    try:
        yield
    finally:
        _uses_xla.reset(token)


def output_side(side: int | None, sampling: Sampling, axis: int) -> int | None:
    """Returns the number of output rows (axis 0) or columns (axis 1) for an input side; None stays None."""
    if side is None:
        return None
    reach = sampling.dilation[axis] * (sampling.kernel_hw[axis] - 1) + 1
    return (side + 2 * sampling.padding[axis] - reach) // sampling.strides[axis] + 1


@functools.cache
def _compiled(sampling: Sampling, uses_xla: bool):
    """Returns (forward, backward) for one sampling: shared by all layers, so that equal shapes compile once."""
    directions = [functools.partial(_forward, sampling), functools.partial(_backward, sampling)]
    if maps_images():
        return [functools.partial(direction, sampling) for direction in (_forward_by_image, _backward_by_image)]
    if keras.backend.backend() != "tensorflow" or not uses_xla:
        return directions
    import tensorflow as tf

    return [tf.function(direction, autograph=False, jit_compile=True) for direction in directions]


def _forward_by_image(sampling: Sampling, inputs, offsets, masks, matrices):
    def forward(*image):
        return _forward(sampling, *(values[None] for values in image), matrices)[0]

    return map_images(forward, inputs, offsets, masks)


def _backward_by_image(sampling: Sampling, inputs, offsets, masks, matrices, upstream):
    def backward(*image):
        *image, upstream = (values[None] for values in image)
        *gradients, of_matrices = _backward(sampling, *image, matrices, upstream)
        return (*(gradient[0] for gradient in gradients), of_matrices)

    *gradients, of_matrices = map_images(backward, inputs, offsets, masks, upstream)
    return (*gradients, ops.sum(of_matrices, axis=0))


def _forward(sampling: Sampling, inputs, offsets, masks, matrices):
    image, out_channels = _PaddedImage(inputs, sampling.groups), matrices.shape[2]
    multiply_first = matrices.shape[1] >= 2 * out_channels  # then the narrower side is interpolated
    output = 0.0
    for rows, taps in zip(image.rows, _taps_by_group(sampling, offsets, masks, matrices), strict=True):
        for tap in (_Tap(*(values[i] for values in taps)) for i in range(sampling.taps)):
            corners = image.corners(tap)
            weights = ops.cast(corners.bilinear * corners.mask[:, None], inputs.dtype)
            values = ops.matmul(rows, tap.matrix) if multiply_first else rows
            sample = sum(ops.take(values, corners.index[:, i], axis=0) * weights[:, i : i + 1] for i in range(4))
            output = output + ops.cast(sample if multiply_first else ops.matmul(sample, tap.matrix), "float32")
    return ops.cast(ops.reshape(output, (-1, *ops.shape(offsets)[1:3], out_channels)), inputs.dtype)


def _backward(sampling: Sampling, inputs, offsets, masks, matrices, upstream):
    """Returns the gradients with respect to inputs, offsets, masks and matrices.

    It loops over the taps instead of unrolling them, so that all taps together need the memory of one.
    """
    image = _PaddedImage(inputs, sampling.groups)
    upstream = ops.reshape(ops.cast(upstream, inputs.dtype), (-1, matrices.shape[2]))
    by_group = [
        _backward_of_group(sampling, image, rows, taps, upstream)
        for rows, taps in zip(image.rows, _taps_by_group(sampling, offsets, masks, matrices), strict=True)
    ]
    row_gradients, offset_gradients, mask_gradients, matrix_gradients = zip(*by_group, strict=True)
    out_hw = ops.shape(offsets)[1:3]
    return (
        ops.cast(image.unpad(ops.concatenate(row_gradients, axis=-1)), inputs.dtype),
        ops.cast(_taps_to_channels(offset_gradients, (*out_hw, offsets.shape[-1])), offsets.dtype),
        ops.cast(_taps_to_channels(mask_gradients, (*out_hw, masks.shape[-1])), masks.dtype),
        ops.concatenate(matrix_gradients, axis=1),
    )


def _backward_of_group(sampling: Sampling, image: "_PaddedImage", rows, taps: "_Tap", upstream) -> tuple:
    """Returns the gradients of rows (like rows), and of offset, mask and matrix with the taps leading."""
    points, channels = ops.shape(upstream)[0], rows.shape[-1]

    def add_tap(i, gradients):
        tap = _Tap(*(values[i] for values in taps))
        corners = image.corners(tap)
        flat_index = ops.reshape(corners.index, (-1,))
        weights = ops.cast(corners.bilinear * corners.mask[:, None], rows.dtype)[..., None]
        values = ops.reshape(ops.take(rows, flat_index, axis=0), (-1, 4, channels))
        sample = ops.sum(values * weights, axis=1)
        pulled = ops.matmul(upstream, ops.transpose(tap.matrix))
        spread = ops.cast(ops.reshape(weights * pulled[:, None, :], (-1, channels)), "float32")
        products = ops.cast(ops.matmul(values, pulled[..., None])[..., 0], "float32")
        of_rows, of_offset, of_mask, of_matrix = gradients
        return (
            of_rows + ops.segment_sum(spread, flat_index, num_segments=image.num_rows),
            _put(i, of_offset, corners.pull_on_position(products)),
            _put(i, of_mask, ops.sum(corners.bilinear * products, axis=-1)),
            _put(i, of_matrix, ops.matmul(ops.transpose(sample), upstream)),
        )

    start = (
        ops.zeros_like(rows, dtype="float32"),
        ops.zeros((sampling.taps, points, 2), "float32"),
        ops.zeros((sampling.taps, points), "float32"),
        ops.zeros_like(taps.matrix),
    )
    return ops.fori_loop(0, sampling.taps, add_tap, start)


def _put(i, array, row):
    i = ops.cast(i, "int32")
    return ops.slice_update(array, ops.stack([i] + [ops.zeros_like(i)] * len(row.shape)), row[None])


class _Tap(NamedTuple):
    """One tap, or all of them along a leading axis."""

    start_y: Tensor  # (Ho,) where it is without its offset
    start_x: Tensor  # (Wo,)
    offset: Tensor  # (B, Ho, Wo, 2) dy, dx
    mask: Tensor  # (B, Ho, Wo)
    matrix: Tensor  # (C / groups, O)


def _taps_by_group(sampling: Sampling, offsets, masks, matrices) -> list[_Tap]:
    """Returns for each group its taps along a leading axis."""
    height, width = ops.shape(offsets)[1:3]
    groups, taps = sampling.groups, sampling.taps
    offsets = ops.reshape(ops.cast(offsets, "float32"), (-1, height, width, groups, taps, 2))
    masks = ops.reshape(ops.cast(masks, "float32"), (-1, height, width, groups, taps))
    starts = _starts(sampling, 0, height), _starts(sampling, 1, width)
    by_group = []
    for group, of_group in enumerate(ops.split(matrices, groups, axis=1)):
        offset = ops.transpose(offsets[:, :, :, group], (3, 0, 1, 2, 4))
        by_group.append(_Tap(*starts, offset, ops.transpose(masks[:, :, :, group], (3, 0, 1, 2)), of_group))
    return by_group


def _starts(sampling: Sampling, axis: int, side) -> Tensor:
    """Returns (taps, side): the rows (axis 0) or columns (axis 1) of the image where taps without offsets are."""
    positions = np.indices(sampling.kernel_hw)[axis].reshape(-1, 1)
    first = (positions * sampling.dilation[axis] - sampling.padding[axis]).astype("float32")
    return ops.convert_to_tensor(first) + ops.arange(side, dtype="float32") * sampling.strides[axis]


def _taps_to_channels(gradients: tuple, shape: tuple) -> Tensor:
    """Gradients by group, (taps, B * Ho * Wo, ...) -> (B, Ho, Wo, groups * taps * ...)."""
    return ops.reshape(ops.stack([ops.moveaxis(values, 0, 1) for values in gradients], axis=1), (-1, *shape))


class _Corners(NamedTuple):
    """The four pixels round each sampling point, P = B * Ho * Wo."""

    index: Tensor  # (P, 4) int32 rows of the padded image
    bilinear: Tensor  # (P, 4) float32
    mask: Tensor  # (P,) float32
    down: Tensor  # (P,) float32 distance from the upper corner
    right: Tensor  # (P,) float32 distance from the left corner
    moves_y: Tensor  # (P,) float32 1 where the point moves with its offset, 0 where it was clipped
    moves_x: Tensor  # (P,)

    def pull_on_position(self, products):
        """Returns the gradient (P, 2) for dy, dx from the corners' products with the sample's gradient (P, 4)."""
        top_left, top_right, low_left, low_right = (products[:, i] for i in range(4))
        pull_y = (1 - self.right) * (low_left - top_left) + self.right * (low_right - top_right)
        pull_x = (1 - self.down) * (top_right - top_left) + self.down * (low_right - low_left)
        return ops.stack([pull_y * self.mask * self.moves_y, pull_x * self.mask * self.moves_x], axis=-1)


class _PaddedImage:
    """A batch with one pixel of zeros around each image, as rows of a table.

    Attributes:
        rows: per group (B * (H + 2) * (W + 2), C / groups).
        num_rows: B * (H + 2) * (W + 2).
    """

    def __init__(self, inputs, groups: int):
        batch, self._height, self._width = ops.shape(inputs)[:3]
        channels = inputs.shape[-1]
        self._padded_shape = (-1, self._height + 2, self._width + 2, channels)
        self.num_rows = batch * (self._height + 2) * (self._width + 2)
        padded = ops.reshape(ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]]), (-1, channels))
        self.rows = ops.split(padded, groups, axis=-1) if groups > 1 else [padded]
        self._first_rows = ops.arange(batch, dtype="int32")[:, None, None] * (self._height + 2) * (self._width + 2)

    def corners(self, tap: _Tap) -> _Corners:
        y, top, moves_y = _clip(tap.start_y[:, None] + tap.offset[..., 0], self._height)
        x, left, moves_x = _clip(tap.start_x + tap.offset[..., 1], self._width)
        down, right = y - top, x - left
        width = self._width + 2
        first = self._first_rows + (ops.cast(top, "int32") + 1) * width + ops.cast(left, "int32") + 1
        bilinear = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
        flat = [ops.reshape(values, (-1,)) for values in (tap.mask, down, right, moves_y, moves_x)]
        index = [first, first + 1, first + width, first + width + 1]
        return _Corners(*(ops.reshape(ops.stack(four, axis=-1), (-1, 4)) for four in (index, bilinear)), *flat)

    def unpad(self, rows):
        """Returns (B, H, W, C) of padded rows."""
        return ops.reshape(rows, self._padded_shape)[:, 1:-1, 1:-1]


def _clip(position, side):
    """Returns the position within [-1, side], the corner before it, and 1.0 if it was within, else 0.0."""
    side = ops.cast(side, "float32")
    clipped = ops.clip(position, -1.0, side)
    corner = ops.minimum(ops.floor(clipped), side - 1)  # the last padded pixel belongs to the corner before it
    return clipped, corner, ops.cast(ops.equal(clipped, position), "float32")
