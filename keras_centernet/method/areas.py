"""The cells around a centre at which boxes are taught, for heads that are taught at more than the centre's cell."""

from keras import ops

from keras_centernet.method.specs import Tensor

REACH = 2  # cells: an area is at most 5 x 5
SHARE_OF_BOX = 0.54  # size of the Gaussian of an area as a share of its box
SIGMAS_PER_SIDE = 6.0
TRACE = 1e-6


def place_areas(placed: dict) -> dict:
    """Adds the areas of the objects: the rows at which heads with `HeadSpec.taught_at` "areas" are taught.

    A cell's weight is a Gaussian of its distance from the centre's cell; six standard deviations are 0.54 of the box's
    width or height, plus one cell. The weights of an object add up to one, so that large objects count as much as small
    ones. A cell belongs to the object whose Gaussian is highest there, among equals to the first one; cells outside the
    map belong to none. An object always keeps the cell of its own centre, as in the targets of centres.

    Args:
        placed: of `targets.place_objects`.

    Returns:
        All keys of `placed`, and with A = 25 cells of an object: "area_cells_xy" (B, M * A, 2) int32, "area_index"
        (B, M * A) int32 (0 where there is no weight), "area_mask" (B, M * A) float32, the weights.

    Source: TTFNet (Liu et al. 2020), "Training-Time-Friendly Network for Real-Time Object Detection": there all cells
        of the Gaussian, weighted by the logarithm of its area, and the smaller object where two meet.
    """
    map_height, map_width = placed["map_hw"]
    steps = ops.arange(-REACH, REACH + 1, dtype="int32")
    around_xy = ops.reshape(ops.stack(ops.meshgrid(steps, steps), axis=-1), (-1, 2))
    cells_xy = placed["cells_xy"][..., None, :] + around_xy  # (B, M, A, 2)
    batch_rows = (-1, cells_xy.shape[1] * cells_xy.shape[2])
    last_xy = ops.convert_to_tensor([map_width - 1, map_height - 1], "int32")
    is_inside = ops.all(ops.logical_and(cells_xy >= 0, cells_xy <= last_xy), axis=-1)
    own = _gaussian(cells_xy - placed["cells_xy"][..., None, :], placed["sizes_wh"][..., None, :])
    is_center = ops.all(ops.equal(around_xy, 0), axis=-1)
    is_owned = ops.logical_or(is_center, own >= _highest_of_others(placed, cells_xy))
    counts = ops.logical_and(ops.logical_and(is_inside, is_owned), placed["mask"][..., None])
    weights = own * ops.cast(counts, "float32")
    weights = weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), TRACE)
    index = ops.where(counts, cells_xy[..., 1] * map_width + cells_xy[..., 0], 0)
    return {
        **placed,
        "area_cells_xy": ops.reshape(cells_xy, (*batch_rows, 2)),
        "area_index": ops.reshape(index, batch_rows),
        "area_mask": ops.reshape(weights, batch_rows),
    }


def repeat_by_area(values: Tensor) -> Tensor:
    """Returns (B, M * A, D): the values (B, M, D) of objects for each cell of their areas."""
    return ops.repeat(values, (2 * REACH + 1) ** 2, axis=1)


def _gaussian(distances_xy, sizes_wh):
    sigmas = (SHARE_OF_BOX * ops.cast(sizes_wh, "float32") + 1) / SIGMAS_PER_SIDE
    return ops.exp(-ops.sum(ops.square(ops.cast(distances_xy, "float32") / sigmas), axis=-1) / 2)


def _highest_of_others(placed: dict, cells_xy):
    """Returns (B, M, A): the highest Gaussian of any other object at each cell; earlier ones get a trace more."""
    objects_xy, sizes_wh = placed["cells_xy"][:, None, None], placed["sizes_wh"][:, None, None]
    heights = _gaussian(cells_xy[..., None, :] - objects_xy, sizes_wh)  # (B, M, A, M)
    slots = ops.arange(heights.shape[1], dtype="int32")
    is_other = ops.logical_and(placed["mask"][:, None], ops.not_equal(slots[:, None], slots))[:, :, None]
    is_earlier = (slots < slots[:, None])[:, None]
    return ops.max(ops.where(is_other, heights, 0.0) * ops.where(is_earlier, 1 + TRACE, 1.0), axis=-1)
