"""2D detection: a box is its centre's heatmap, offset and size."""

from keras import ops

from keras_centernet.method import losses
from keras_centernet.method.gaussian import RADIUS_RULES, splat
from keras_centernet.method.specs import HeadSpec, Task, Tensor, keep

PRIOR_BIAS = -2.19  # logit(0.1): every cell starts as an object with probability 0.1
TYPICAL_SIZE = 8.0  # cells: sizes start at 32 px instead of 0, which saves the first epochs
ALMOST_0, ALMOST_1 = 1e-12, 1 - 2**-24  # what probabilities are cut to before they become logits
IGNORED = 0.9999  # As published: what is neither a positive nor a negative
SIZE_WEIGHT = 0.1  # lambda_size of the paper; sizes are in cells, about ten times an offset


def build_detection(classes: tuple[str, ...], radius: str = "published") -> Task:
    """Returns the task of finding boxes of the given classes.

    Args:
        classes: names, in channel order of the heatmap.
        radius: "published" (what the published weights were trained with) or "geometric"; see
            `keras_centernet.method.gaussian`.

    Source: paper section 3, L = L_heatmap + 0.1 L_size + 1.0 L_offset.
    """
    check_radius(radius)

    def encode_center_heatmap(placed):
        return splat_objects(placed, placed["mask"], object_radii(placed, radius), len(classes))

    heatmap = center_heatmap_head(classes, encode_center_heatmap)
    return Task("detection", tuple(classes), (heatmap, size_head(), offset_head()), assemble_boxes)


def center_heatmap_head(classes: tuple[str, ...], encode) -> HeadSpec:
    """Returns the head whose peaks are the objects, one channel per class."""
    return HeadSpec(
        "center_heatmap",
        len(classes),
        "everywhere",
        encode,
        losses.penalty_reduced_focal,
        bias=PRIOR_BIAS,
        unmirror=keep,
        to_map=to_logits,
        published_name="hm",
    )


def offset_head(encode=None, loss=losses.masked_l1) -> HeadSpec:
    """Returns the head of what rounding down took from the centre."""
    return HeadSpec("offset", 2, "centers", encode or encode_offset, loss, published_name="reg")


def size_head(encode=None, loss=losses.masked_l1) -> HeadSpec:
    """Returns the head of the box's width and height."""
    encode = encode or encode_size
    return HeadSpec("size", 2, "centers", encode, loss, SIZE_WEIGHT, TYPICAL_SIZE, unmirror=keep, published_name="wh")


def check_radius(radius: str) -> None:
    """Raises a ValueError unless `radius` is a key of `RADIUS_RULES`."""
    if radius not in RADIUS_RULES:
        raise ValueError(f"radius must be one of {sorted(RADIUS_RULES)}, got {radius!r}.")


def object_radii(placed: dict, rule: str, round_up: bool = True) -> Tensor:
    """Returns (B, M) int32: the radius of each object's Gaussian, in cells."""
    return ops.cast(ops.maximum(RADIUS_RULES[rule](placed["sizes_wh"], round_up=round_up), 0.0), "int32")


def splat_objects(placed: dict, mask: Tensor, radii: Tensor, num_classes: int) -> Tensor:
    """Returns (B, Hf, Wf, classes) with the Gaussians of the masked objects in the channels of their classes."""
    return splat(placed["cells_xy"], radii, placed["classes"], mask, placed["map_hw"], num_classes)


def splat_around_ignored(placed: dict, mask: Tensor, ignored: Tensor, radii: Tensor, num_classes: int) -> Tensor:
    """Returns the heatmap of the masked objects; Gaussians of ignored ones stay just below 1 at their centres.

    They are then no positives (which are exactly 1) and, to any effect, no negatives.
    """
    hidden = splat_objects(placed, ignored, radii, num_classes)
    return ops.maximum(splat_objects(placed, mask, radii, num_classes), ops.minimum(hidden, IGNORED))


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


def assemble_boxes(readings: dict) -> dict:
    """Returns {"boxes_xyxy": (B, K, 4) float32} in cells: neither clipped nor forced to be positive."""
    centers_xy = read_centers(readings)
    half_wh = ops.cast(readings["size"], "float32") / 2
    return {"boxes_xyxy": ops.concatenate([centers_xy - half_wh, centers_xy + half_wh], axis=-1)}


def read_centers(readings: dict) -> Tensor:
    """Returns (B, K, 2) float32 centres in cells."""
    return readings["cells_xy"] + ops.cast(readings["offset"], "float32")
