"""2D detection: a box is read from the heatmap, the offset and the size at its centre."""

import dataclasses
from collections.abc import Callable

from keras import ops

from keras_centernet.limits import Limits
from keras_centernet.method import losses
from keras_centernet.method.areas import place_areas, repeat_by_area
from keras_centernet.method.gaussian import RADIUS_RULES, SIGMAS_PER_DIAMETER, fill_rectangles, splat
from keras_centernet.method.specs import HeadSpec, Task, Tensor, identity

PRIOR_BIAS = -2.19  # logit(0.1): every cell starts with a probability of 0.1 to be an object
TYPICAL_SIZE = 8.0  # cells: sizes start at 32 px instead of 0, which saves the first epochs
ALMOST_0, ALMOST_1 = 1e-12, 1 - 2**-24  # probabilities are clipped to these before they become logits
BOXES_AT = ("centers", "areas")
IGNORED = 0.9999  # As published: target of cells that are neither positives nor negatives
SIZE_WEIGHT = 0.1  # lambda_size of the paper; sizes are in cells, about ten times an offset


@dataclasses.dataclass(frozen=True)
class Gaussians:
    """How objects are drawn into a heatmap.

    Attributes:
        radius: "published" (what the published weights were trained with) or "geometric"; key of `RADIUS_RULES`.
        sigmas_per_diameter: how many standard deviations make a Gaussian's diameter 2 r + 1; as published 6.

    Raises:
        ValueError: an unknown rule, or a number that is not positive.
    """

    radius: str = "published"
    sigmas_per_diameter: float = SIGMAS_PER_DIAMETER

    def __post_init__(self):
        if self.radius not in tuple(RADIUS_RULES):
            raise ValueError(f"radius must be one of {sorted(RADIUS_RULES)}, got {self.radius!r}.")
        Limits(above=0).check("sigmas_per_diameter", self.sigmas_per_diameter)

    def radii(self, placed: dict, round_up: bool = True) -> Tensor:
        """Returns (B, M) int32: the radius of each object's Gaussian, in cells."""
        return ops.cast(ops.maximum(RADIUS_RULES[self.radius](placed["sizes_wh"], round_up=round_up), 0.0), "int32")

    def draw(self, placed: dict, mask: Tensor, radii: Tensor, num_classes: int) -> Tensor:
        """Returns (B, Hf, Wf, classes) with the Gaussians of the masked objects in the channels of their classes."""
        return self.draw_cells(placed, placed["cells_xy"], radii, placed["classes"], mask, num_classes)

    def draw_cells(self, placed: dict, cells_xy, radii, channels, mask, num_channels: int) -> Tensor:
        """Returns (B, Hf, Wf, channels) with the Gaussians of the masked cells; see `gaussian.splat`."""
        return splat(cells_xy, radii, channels, mask, placed["map_hw"], num_channels, self.sigmas_per_diameter)

    def draw_around_ignored(self, placed: dict, mask: Tensor, ignored: Tensor, radii, num_classes: int) -> Tensor:
        """Returns the heatmap of the masked objects; peaks of ignored ones stay just below 1, so they do not count."""
        hidden = self.draw(placed, ignored, radii, num_classes)
        return ops.maximum(self.draw(placed, mask, radii, num_classes), ops.minimum(hidden, IGNORED))


def build_detection(
    classes: tuple[str, ...],
    radius: str = "published",
    sigmas_per_diameter: float = SIGMAS_PER_DIAMETER,
    boxes_at: str = "centers",
) -> Task:
    """Returns the task of finding boxes of the given classes.

    Args:
        classes: names, in channel order of the heatmap.
        radius, sigmas_per_diameter: of `Gaussians`.
        boxes_at: cells at which sizes and offsets are trained: the "centers", as published, or the "areas" around them
            (`method.areas`). Detections are read at peaks in both cases; with areas, a peak beside its centre also has
            a box.

    Source: paper section 3, L = L_heatmap + 0.1 L_size + 1.0 L_offset.
    """
    gaussians = Gaussians(radius, sigmas_per_diameter)
    if boxes_at not in BOXES_AT:
        raise ValueError(f"boxes_at must be one of {BOXES_AT}, got {boxes_at!r}.")

    def encode_center_heatmap(placed):
        heatmap = gaussians.draw(placed, placed["mask"], gaussians.radii(placed), len(classes))
        return ignore_hidden(placed, heatmap)

    heatmap = center_heatmap_head(classes, encode_center_heatmap)
    if boxes_at == "centers":
        return Task("detection", tuple(classes), (heatmap, size_head(), offset_head()), to_boxes)
    heads = (size_head(encode_area_size), offset_head(encode_area_offset))
    areas = (dataclasses.replace(head, taught_at="areas") for head in heads)
    return Task("detection", tuple(classes), (heatmap, *areas), to_boxes, place_areas)


def ignore_hidden(placed: dict, heatmap: Tensor, in_all_channels: bool = False) -> Tensor:
    """Returns the heatmap (B, Hf, Wf, C) with the cells of hidden regions ignored, except the centres of objects there.

    Args:
        placed: of `targets.place_objects`; without "hidden" the heatmap stays as it is.
        heatmap: of the objects that are not hidden.
        in_all_channels: whether a region is ignored in every channel, and not only in that of its class.
    """
    if "hidden" not in placed:
        return heatmap
    if in_all_channels:
        regions = fill_boxes(placed, placed["hidden"], ops.zeros_like(placed["classes"]), 1)
    else:
        regions = fill_boxes(placed, placed["hidden"], placed["classes"], heatmap.shape[-1])
    return ops.maximum(heatmap, IGNORED * regions)


def fill_boxes(placed: dict, mask: Tensor, channels: Tensor, num_channels: int) -> Tensor:
    """Returns (B, Hf, Wf, channels), 1 in every cell that a masked object's box touches, else 0."""
    corners = ops.cast(placed["boxes_xyxy"], "int32")
    return fill_rectangles(corners, channels, mask, placed["map_hw"], num_channels)


def center_heatmap_head(classes: tuple[str, ...], encode: Callable) -> HeadSpec:
    """Returns the head whose peaks are the objects, one channel per class."""
    return HeadSpec(
        "center_heatmap",
        len(classes),
        "everywhere",
        encode,
        losses.penalty_reduced_focal,
        bias=PRIOR_BIAS,
        flip=identity,
        target_to_map=to_logits,
        published_name="hm",
    )


def offset_head(encode: Callable | None = None, loss: Callable = losses.masked_l1) -> HeadSpec:
    """Returns the head of what rounding down took from the centre."""
    return HeadSpec("offset", 2, "centers", encode or encode_offset, loss, published_name="reg")


def size_head(encode: Callable | None = None, loss: Callable = losses.masked_l1) -> HeadSpec:
    """Returns the head of the box's width and height."""
    encode = encode or encode_size
    same = {"flip": identity, "published_name": "wh", "box_center": "offset"}
    return HeadSpec("size", 2, "centers", encode, loss, SIZE_WEIGHT, TYPICAL_SIZE, **same)


def to_logits(heatmap: Tensor) -> Tensor:
    """Returns the logits of a target heatmap: a perfect raw map."""
    heatmap = ops.clip(heatmap, ALMOST_0, ALMOST_1)
    return ops.log(heatmap) - ops.log1p(-heatmap)


def encode_offset(placed: dict) -> Tensor:
    """Returns (B, M, 2) float32: what rounding down took from the centre (x, y), in [0, 1) cells."""
    return placed["centers_xy"] - ops.cast(placed["cells_xy"], "float32")


def encode_size(placed: dict) -> Tensor:
    """Returns (B, M, 2) float32: width and height in cells."""
    return placed["sizes_wh"]


def encode_area_offset(placed: dict) -> Tensor:
    """Returns (B, M * A, 2) float32: the displacement from each cell of an object's area to its centre, in cells."""
    return repeat_by_area(placed["centers_xy"]) - ops.cast(placed["area_cells_xy"], "float32")


def encode_area_size(placed: dict) -> Tensor:
    """Returns (B, M * A, 2) float32: the object's width and height in cells at each cell of its area."""
    return repeat_by_area(placed["sizes_wh"])


def to_boxes(readings: dict) -> dict:
    """Returns {"boxes_xyxy": (B, K, 4) float32} in cells: neither clipped nor forced to be positive."""
    centers_xy = read_centers(readings)
    half_wh = ops.cast(readings["size"], "float32") / 2
    return {"boxes_xyxy": ops.concatenate([centers_xy - half_wh, centers_xy + half_wh], axis=-1)}


def read_centers(readings: dict) -> Tensor:
    """Returns (B, K, 2) float32 centres in cells."""
    return readings["cells_xy"] + ops.cast(readings["offset"], "float32")
