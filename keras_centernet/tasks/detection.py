"""2D detection: centre heatmap, offset and size; a box is cell + offset -+ size / 2."""

from keras import ops

from keras_centernet import losses
from keras_centernet.gaussian import RADIUS_RULES, splat
from keras_centernet.specs import HeadSpec, Task, Tensor

PRIOR_BIAS = -2.19  # logit(0.1): every cell starts as an object with probability 0.1
TYPICAL_SIZE = 8.0  # cells: sizes start at 32 px instead of 0, which saves the first epochs
SIZE_WEIGHT = 0.1  # lambda_size of the paper; sizes are in cells, about ten times an offset


def build_detection(classes: tuple[str, ...], radius: str = "published") -> Task:
    """Returns the task of finding boxes of the given classes.

    Args:
        classes: names, in channel order of the heatmap.
        radius: "published" (what the published weights were trained with) or "geometric"; see
            `keras_centernet.gaussian`.

    Source: paper section 3, L = L_heatmap + 0.1 L_size + 1.0 L_offset.
    """
    if radius not in RADIUS_RULES:
        raise ValueError(f"radius must be one of {sorted(RADIUS_RULES)}, got {radius!r}.")

    def encode_center_heatmap(placed):
        radii = ops.cast(ops.maximum(RADIUS_RULES[radius](placed["sizes_wh"]), 0.0), "int32")
        return splat(placed["cells_xy"], radii, placed["classes"], placed["mask"], placed["map_hw"], len(classes))

    heatmap = HeadSpec(
        "center_heatmap",
        len(classes),
        "everywhere",
        encode_center_heatmap,
        losses.penalty_reduced_focal,
        bias=PRIOR_BIAS,
        published_name="hm",
    )
    offset = HeadSpec("offset", 2, "centers", encode_offset, losses.masked_l1, published_name="reg")
    size = HeadSpec(
        "size",
        2,
        "centers",
        encode_size,
        losses.masked_l1,
        weight=SIZE_WEIGHT,
        bias=TYPICAL_SIZE,
        published_name="wh",
    )
    return Task("detection", tuple(classes), (heatmap, size, offset), assemble_boxes)


def encode_offset(placed: dict) -> Tensor:
    """Returns (B, M, 2) float32: what rounding down took from the centre (x, y), in [0, 1) cells."""
    return placed["centers_xy"] - ops.cast(placed["cells_xy"], "float32")


def encode_size(placed: dict) -> Tensor:
    """Returns (B, M, 2) float32: width and height in cells."""
    return placed["sizes_wh"]


def assemble_boxes(readings: dict) -> dict:
    """Returns {"boxes_xyxy": (B, K, 4) float32} in cells: neither clipped nor forced to be positive."""
    centers_xy = readings["cells_xy"] + ops.cast(readings["offset"], "float32")
    half_wh = ops.cast(readings["size"], "float32") / 2
    return {"boxes_xyxy": ops.concatenate([centers_xy - half_wh, centers_xy + half_wh], axis=-1)}
