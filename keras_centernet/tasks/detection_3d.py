"""3D detection from one camera: depth, dimensions and orientation are read at the centre of the 2D box."""

import math

import numpy as np
from keras import ops

from keras_centernet.camera import locate
from keras_centernet.geometry import STRIDE
from keras_centernet.method import losses
from keras_centernet.method.gaussian import SIGMAS_PER_DIAMETER
from keras_centernet.method.specs import FieldSpec, HeadSpec, Task, Tensor
from keras_centernet.tasks import detection

DEPTH_EPSILON = 1e-6  # As published; the paper's formula has none
DEPTH_BIAS = -3.0  # depths start at 1 / sigmoid(-3) - 1 = 20 m
NEAREST = 0.01  # metres; smaller depths are raised to it before their logarithm is taken
TYPICAL_DIMENSION = 1.6  # metres
# The two bins of alpha: their middles, and how far they reach to each side. They overlap by 60 degrees at both ends.
BIN_CENTERS = (-math.pi / 2, math.pi / 2)
BIN_REACH = 2 * math.pi / 3
FIELDS_3D = {
    "locations_xyz": FieldSpec("float32", (3,), record_key="image/object/3d/location"),
    "dimensions_hwl": FieldSpec("float32", (3,), record_key="image/object/3d/dimensions"),
    "alphas": FieldSpec("float32", (), record_key="image/object/3d/alpha"),
}
AVERAGES = {"published": losses.slot_l1, "objects": losses.masked_l1}
IGNORE_RULES = ("center", "rectangle")


def build_detection_3d(
    classes: tuple[str, ...],
    radius: str = "published",
    averages: str = "published",
    ignore: str = "center",
    projection: bool = False,
    sigmas_per_diameter: float = SIGMAS_PER_DIAMETER,
) -> Task:
    """Returns the task of finding 3D boxes of the given classes in the images of one calibrated camera.

    Args:
        classes: names, in channel order of the heatmap.
        radius, sigmas_per_diameter: of `detection.Gaussians`.
        averages: what L1 losses are means over: all padded slots ("published") or real objects ("objects").
        ignore: how crowds, hidden regions and objects without a 3D box are taken out of the heatmap's loss: by
            a Gaussian that stays below 1 ("center", as published) or by their "rectangle" (the code's --rect_mask).
        projection: whether another head learns how far the projection of the 3D box's centre lies from
            the centre of the 2D box. As published: False. The two are then taken to be the same point, which
            misplaces objects at the image's edge, where their boxes are cut off, by some decimetres.

    Source: paper section 4.1 "3D detection" and supplementary; `DddDataset`, `DddLoss` and
        `ddd_decode` of the published code.
    """
    gaussians = detection.Gaussians(radius, sigmas_per_diameter)
    for name, value, known in (("averages", averages, tuple(AVERAGES)), ("ignore", ignore, IGNORE_RULES)):
        if value not in known:
            raise ValueError(f"{name} must be one of {known}, got {value!r}.")
    l1 = AVERAGES[averages]

    def encode_center_heatmap(placed):
        radii = gaussians.radii(placed, round_up=False)
        if ignore == "center":
            return gaussians.draw_around_ignored(placed, placed["mask"], placed["ignored"], radii, len(classes))
        drawn = gaussians.draw(placed, placed["mask"], radii, len(classes))
        rectangles = detection.fill_boxes(placed, placed["ignored"], placed["classes"], len(classes))
        return ops.maximum(drawn, detection.IGNORED * rectangles)

    def depth_l1(prediction, target, mask):
        return l1(to_depth(prediction), target, mask)

    bins, of_depth = losses.bin_and_residual, {"bias": DEPTH_BIAS, "target_to_map": from_depth}
    heads = [
        detection.center_heatmap_head(classes, encode_center_heatmap),
        HeadSpec("depth", 1, "centers", encode_depth, depth_l1, published_name="dep", **of_depth),
        HeadSpec("dimensions", 3, "centers", encode_dimensions, l1, bias=TYPICAL_DIMENSION, published_name="dim"),
        HeadSpec("rotation", 8, "centers", encode_rotation, bins, target_to_map=from_bins, published_name="rot"),
        detection.size_head(loss=l1),
        detection.offset_head(loss=l1),
    ]
    if projection:
        heads.append(HeadSpec("projection", 2, "centers", encode_projection, l1, weight=detection.SIZE_WEIGHT))
    camera_task = {"flip_and_scale": False, "needs_camera": True}
    return Task("detection_3d", tuple(classes), tuple(heads), to_boxes, place, postprocess, paint, **camera_task)


def place(placed: dict) -> dict:
    """Adds "ignored" (B, M) and "measured" (B, M), and removes the ignored ones from "mask".

    Ignored are crowds, hidden regions and objects without a 3D box in front of the camera. Measured are the objects of
    images at their true scale. As published: depth and dimensions are not trained in images that augmentation has
    zoomed.
    """
    depths = ops.cast(placed["locations_xyz"], "float32")[..., 2]
    dimensions = ops.cast(placed["dimensions_hwl"], "float32")
    has_box = ops.logical_and(depths > 0, ops.all(dimensions > 0, axis=-1))
    is_object = ops.logical_and(has_box, ops.logical_not(ops.cast(placed["is_crowd"], "bool")))
    mask, ignored = (ops.logical_and(placed["mask"], which) for which in (is_object, ops.logical_not(is_object)))
    if "hidden" in placed:
        has_area = ops.all(placed["sizes_wh"] > 0, axis=-1)
        ignored = ops.logical_or(ignored, ops.logical_and(placed["hidden"], has_area))
    measured = mask
    if "is_zoomed" in placed:
        measured = ops.logical_and(mask, ops.logical_not(ops.cast(placed["is_zoomed"], "bool"))[:, None])
    return placed | {"mask": mask, "ignored": ignored, "measured": measured}


def encode_depth(placed: dict) -> tuple[Tensor, Tensor]:
    """Returns ((B, M, 1) metres along the optical axis, (B, M) which of them count)."""
    return ops.cast(placed["locations_xyz"], "float32")[..., 2:], placed["measured"]


def encode_dimensions(placed: dict) -> tuple[Tensor, Tensor]:
    """Returns ((B, M, 3) height, width, length in metres, (B, M) which of them count)."""
    return ops.cast(placed["dimensions_hwl"], "float32"), placed["measured"]


def encode_rotation(placed: dict) -> Tensor:
    """Returns (B, M, 4) float32: whether alpha is in each of the two bins (1 or 0), then its angle from each middle."""
    alphas = ops.cast(placed["alphas"], "float32")
    bins = [ops.cast(_angle_between(alphas, center) < BIN_REACH, "float32") for center in BIN_CENTERS]
    # As published: angles are not wrapped, because only their sines and cosines are compared.
    return ops.stack([*bins, *(alphas - center for center in BIN_CENTERS)], axis=-1)


def encode_projection(placed: dict) -> Tensor:
    """Returns (B, M, 2) float32: from the centre of the 2D box to the projection of that of the 3D box, in cells."""
    half_height = ops.cast(placed["dimensions_hwl"], "float32")[..., :1] / 2
    location = ops.cast(placed["locations_xyz"], "float32")
    zeros, ones = ops.zeros_like(half_height), ops.ones_like(half_height)
    center = ops.concatenate([location - ops.concatenate([zeros, half_height, zeros], -1), ones], axis=-1)
    projected = ops.matmul(center, ops.swapaxes(ops.cast(placed["calibration"], "float32"), -1, -2))
    image_xy = projected[..., :2] / ops.maximum(projected[..., 2:], 0.1)
    matrix = ops.cast(placed["image_to_input"], "float32")
    input_xy = ops.matmul(image_xy, ops.swapaxes(matrix[..., :2], -1, -2)) + matrix[:, None, :, 2]
    return input_xy / STRIDE - placed["centers_xy"]


def to_depth(raw: Tensor) -> Tensor:
    """Returns metres from the raw map: 1 / (sigmoid + 1e-6) - 1."""
    return 1 / (ops.sigmoid(ops.cast(raw, "float32")) + DEPTH_EPSILON) - 1


def from_depth(depth: Tensor) -> Tensor:
    """Returns the raw map of a depth in metres: the inverse of `to_depth`, apart from its 1e-6."""
    return -ops.log(ops.maximum(depth, NEAREST))


def from_bins(target: Tensor) -> Tensor:
    """Returns the network's form (..., 8) of a target (..., 4): for each bin not in it, in it, sine, cosine."""
    parts = []
    for i in range(len(BIN_CENTERS)):
        is_on, angle = target[..., i], target[..., 2 + i]
        parts += [1 - is_on, is_on, ops.sin(angle), ops.cos(angle)]
    return ops.stack(parts, axis=-1)


def to_alpha(rotation: Tensor) -> Tensor:
    """Returns (...) radians, not wrapped, from (..., 8): the angle in the bin whose logit is higher."""
    sines, cosines = (rotation[..., 2], rotation[..., 6]), (rotation[..., 3], rotation[..., 7])
    angles = [ops.arctan2(*pair) + center for *pair, center in zip(sines, cosines, BIN_CENTERS, strict=True)]
    return ops.where(rotation[..., 1] > rotation[..., 5], *angles)


def to_boxes(readings: dict) -> dict:
    """Returns the 2D boxes and the values of the 3D boxes, by name.

    "boxes_xyxy" (B, K, 4) and "points_xy" (B, K, 2), where the centre of the 3D box is seen, are in cells, "depths"
    (B, K) and "dimensions_hwl" (B, K, 3) in metres, and "alphas" (B, K) in radians.
    """
    points_xy = detection.read_centers(readings)
    if "projection" in readings:
        points_xy = points_xy + ops.cast(readings["projection"], "float32")
    return detection.to_boxes(readings) | {
        "points_xy": points_xy,
        "depths": to_depth(readings["depth"])[..., 0],
        "dimensions_hwl": ops.cast(readings["dimensions"], "float32"),
        "alphas": to_alpha(ops.cast(readings["rotation"], "float32")),
    }


def postprocess(rows: dict, calibration: Tensor) -> dict:
    """Returns "locations" (N, 3), "dimensions" (N, 3), "rotation_y" (N,) and "alpha" (N,) in the camera's frame.

    Rows are those of `to_boxes`, with positions in image pixels, as arrays or tensors; see `Task`.
    """
    dimensions, alphas = rows["dimensions_hwl"], rows["alphas"]
    locations, rotations_y = locate(rows["points_xy"], rows["depths"], dimensions, alphas, calibration)
    return {"locations": locations, "dimensions": dimensions, "rotation_y": rotations_y, "alpha": alphas}


def paint(image: np.ndarray, found, *, birds_eye: bool = False, **options) -> np.ndarray:
    """Returns a copy of the image with the projected 3D boxes, their classes and distances.

    With `birds_eye` a view of the same boxes from above is added to its right; options are those of `draw_boxes_3d`.
    """
    from keras_centernet.drawing.birds_eye import with_birds_eye
    from keras_centernet.drawing.boxes import with_identities
    from keras_centernet.drawing.boxes_3d import draw_boxes_3d

    canvas, boxes = image.copy(), (found.dimensions, found.locations, found.rotation_y, found.classes)
    if len(found):
        labels = [f"{name} {z:.1f} m" for name, z in zip(found.class_names, found.locations[:, 2], strict=True)]
        canvas = draw_boxes_3d(image, *boxes, found.calibration[0], with_identities(found, labels), **options)
    return with_birds_eye(canvas, *boxes) if birds_eye else canvas


def _angle_between(angles, center: float):
    """Returns the distance, around the circle, of angles in -pi..pi from a bin's middle."""
    distance = ops.abs(angles - center)
    return ops.minimum(distance, 2 * math.pi - distance)
