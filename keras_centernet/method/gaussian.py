"""Gaussian peaks of the centre heatmap: their radius and how they are drawn, as pure functions of tensors."""

from keras import ops

from keras_centernet.method.by_image import map_images, maps_images
from keras_centernet.method.specs import Tensor

SIGMAS_PER_DIAMETER = 6.0  # As published: sigma = (2 r + 1) / 6
MIN_OVERLAP = 0.7  # a box whose corners move by the radius still overlaps the truth this much


def published_radius(sizes_wh: Tensor, min_overlap: float = MIN_OVERLAP, round_up: bool = True) -> Tensor:
    """Returns the radius that the published weights were trained with.

    The published code takes the smallest root of three quadratics, but divides by 2 instead of 2a. The smallest is then
    always that of the third case, 4 * min_overlap times (2.8 x at 0.7) the correct root; only it is computed here.

    Args:
        sizes_wh: (..., 2) float, width and height in cells.
        min_overlap: IoU that a shifted box keeps.
        round_up: whether sizes are rounded up first; as published for all tasks but 3D.

    Returns:
        (...) float32 radius in cells, not rounded.

    Source: `gaussian_radius` of the published code (bug kept: the corrected radius trains worse).
    """
    width, height = _width_height(sizes_wh, round_up)
    b = 2 * min_overlap * (height + width)
    return (-b + ops.sqrt(b * b + 16 * min_overlap * (1 - min_overlap) * width * height)) / 2


def geometric_radius(sizes_wh: Tensor, min_overlap: float = MIN_OVERLAP, round_up: bool = True) -> Tensor:
    """Returns the smallest corner shift, in cells, that lowers the overlap to `min_overlap`.

    The correct roots of the three cases of the paper: one corner in and one out, both in, both out.
    Same arguments and result as `published_radius`.
    """
    width, height = _width_height(sizes_wh, round_up)
    total, area = height + width, width * height
    one_each = (total - ops.sqrt(total**2 - 4 * area * (1 - min_overlap) / (1 + min_overlap))) / 2
    both_in = (total - ops.sqrt(total**2 - 4 * area * (1 - min_overlap))) / 4
    outer = min_overlap * total
    both_out = (-outer + ops.sqrt(outer**2 + 4 * min_overlap * (1 - min_overlap) * area)) / (4 * min_overlap)
    return ops.minimum(ops.minimum(one_each, both_in), both_out)


RADIUS_RULES = {"published": published_radius, "geometric": geometric_radius}


def splat(
    centers_xy: Tensor,
    radii: Tensor,
    channels: Tensor,
    mask: Tensor,
    map_hw: tuple[int, int],
    num_channels: int,
    sigmas_per_diameter: float = SIGMAS_PER_DIAMETER,
) -> Tensor:
    """Returns maps with a Gaussian at every centre, merged by maximum within a channel.

    Each peak is exp(-(dx^2 + dy^2) / 2 sigma^2) with sigma = (2 r + 1) / `sigmas_per_diameter`, exactly 1 at its centre
    and 0 outside the square of side 2 r + 1. The peaks are drawn as products of their two profiles
    and merged by one segment maximum, which takes B * M * Hf * Wf floats of temporary memory.

    Args:
        centers_xy: (B, M, 2) int32 cells; a centre outside the map draws the part that falls inside.
        radii: (B, M) int32 cells.
        channels: (B, M) int32 channel of each object; one that is not 0 to C - 1 is not drawn.
        mask: (B, M) bool; objects with False are not drawn.
        map_hw: (Hf, Wf).
        num_channels: C.
        sigmas_per_diameter: how many standard deviations make the diameter 2 r + 1; as published 6.

    Returns:
        (B, Hf, Wf, C) float32 in 0..1.

    Source: `gaussian2D` and `draw_umich_gaussian` of the published code. Its cut of values under the
    machine epsilon can never fire inside the window and is left out.
    """
    map_height, map_width = map_hw
    radii = ops.cast(radii, "float32")
    profile_x = _profile(centers_xy[..., 0], radii, map_width, sigmas_per_diameter)
    profile_y = _profile(centers_xy[..., 1], radii, map_height, sigmas_per_diameter)
    return _merge(profile_x, profile_y, channels, mask, num_channels)


def fill_rectangles(
    corners_xyxy: Tensor, channels: Tensor, mask: Tensor, map_hw: tuple[int, int], num_channels: int
) -> Tensor:
    """Returns maps like `splat`, 1 inside the rectangles (B, M, 4) int32 cells, both corners included, and 0 elsewhere.

    Source: `--rect_mask` of the published `DddDataset`.
    """
    map_height, map_width = map_hw
    profile_x = _between(corners_xyxy[..., 0], corners_xyxy[..., 2], map_width)
    profile_y = _between(corners_xyxy[..., 1], corners_xyxy[..., 3], map_height)
    return _merge(profile_x, profile_y, channels, mask, num_channels)


def has_channel(channels: Tensor, mask: Tensor, num_channels: int) -> Tensor:
    """Returns the mask (B, M) bool without rows whose channel is not 0 to C - 1: they belong to no map of the image."""
    channels = ops.cast(channels, "int32")
    is_channel = ops.logical_and(channels >= 0, channels < num_channels)
    return ops.logical_and(ops.cast(mask, "bool"), is_channel)


def _merge(profile_x, profile_y, channels, mask, num_channels: int):
    """Products of profiles (B, M, width) and (B, M, height), merged by maximum -> (B, height, width, C)."""
    batch, (slots, map_width), map_height = ops.shape(profile_x)[0], profile_x.shape[1:], profile_y.shape[-1]
    mask = has_channel(channels, mask, num_channels)
    profile_y = profile_y * ops.cast(mask, "float32")[..., None]
    peaks = profile_y[..., :, None] * profile_x[..., None, :]
    if maps_images():

        def merge(peaks, channels):  # a channel that is none belongs to a masked object, whose peak is zero
            return ops.segment_max(peaks, channels, num_segments=num_channels)

        rows = ops.reshape(peaks, (batch, slots, map_height * map_width))
        maps = map_images(merge, rows, ops.where(mask, ops.cast(channels, "int32"), 0))
        return _to_maps(maps, (batch, map_height, map_width, num_channels))
    segments = ops.arange(batch, dtype="int32")[:, None] * num_channels + ops.cast(channels, "int32")
    maps = ops.segment_max(
        ops.reshape(peaks, (batch * slots, map_height * map_width)),
        ops.reshape(ops.where(mask, segments, 0), (-1,)),
        num_segments=batch * num_channels,
    )
    return _to_maps(maps, (batch, map_height, map_width, num_channels))


def _to_maps(segments, shape: tuple):
    """Maxima of channels, whose cells are last, -> maps of that shape, the channels last."""
    batch, height, width, channels = shape
    # A channel without objects holds the lowest float after the segment maximum.
    return ops.transpose(ops.reshape(ops.maximum(segments, 0.0), (batch, channels, height, width)), (0, 2, 3, 1))


def _between(first, last, length: int):
    """(B, M) cells -> (B, M, length), 1 from first to last and 0 elsewhere."""
    cells = ops.arange(length, dtype="int32")
    return ops.cast(ops.logical_and(cells >= first[..., None], cells <= last[..., None]), "float32")


def _profile(centers, radii, length: int, sigmas_per_diameter: float):
    """(B, M) centres -> (B, M, length) one-dimensional Gaussian, zero further away than the radius."""
    distance = ops.arange(length, dtype="float32") - ops.cast(centers, "float32")[..., None]
    radii = radii[..., None]
    sigma = (2 * radii + 1) / sigmas_per_diameter
    inside = ops.cast(ops.abs(distance) <= radii, "float32")
    return ops.exp(-ops.square(distance) / (2 * ops.square(sigma))) * inside


def _width_height(sizes_wh, round_up: bool):
    sizes = ops.cast(sizes_wh, "float32")
    sizes = ops.ceil(sizes) if round_up else sizes
    return sizes[..., 0], sizes[..., 1]
