"""Pose: the keypoints of an object are its centre plus displacements, snapped to the nearest peak of their heatmap."""

import functools

import numpy as np
from keras import ops

from keras_centernet.geometry import STRIDE
from keras_centernet.method import losses
from keras_centernet.method.gaussian import SIGMAS_PER_DIAMETER
from keras_centernet.method.peaks import read_at
from keras_centernet.method.specs import FieldSpec, HeadSpec, Task, Tensor
from keras_centernet.tasks import detection
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton

KEYPOINT_THRESHOLD = 0.1  # As published: lower keypoint peaks are no candidates.
SEARCH_SCALE = 0.3  # As published: a candidate lies at most this share of the box's longer side away.
UNMATCHED_SCORE = 0.1  # of keypoints that no peak confirms, as in the Object Detection API
FAR_AWAY = -10000.0
DRAWN_SCORE = 0.05
UNMARKED = ("positive", "ignored")
POSE_FIELDS = {"keypoints_xyv": FieldSpec("float32", (None, 3), record_key="image/object/keypoint")}


def build_pose(
    classes: tuple[str, ...],
    radius: str = "published",
    skeleton: Skeleton | dict = COCO_PERSON,
    unmarked: str = "positive",
    sigmas_per_diameter: float = SIGMAS_PER_DIAMETER,
) -> Task:
    """Returns the task of finding objects with keypoints.

    Args:
        classes: names, in channel order of the heatmap.
        radius, sigmas_per_diameter: of `detection.Gaussians`, for centres and keypoints.
        skeleton: the K keypoints, or its `to_dict()`.
        unmarked: what objects without a marked keypoint are to the centre heatmap: "positive", as published, or
            "ignored", which the published code intends and then undoes by drawing over it. Positives
            without keypoints teach the network to detect objects whose keypoints it never learnt.

    Source: paper section 4.2 "Human pose estimation"; `MultiPoseDataset`, `MultiPoseLoss` and
        `multi_pose_decode` of the published code.
    """
    gaussians = detection.Gaussians(radius, sigmas_per_diameter)
    if unmarked not in UNMARKED:
        raise ValueError(f"unmarked must be one of {UNMARKED}, got {unmarked!r}.")
    skeleton = Skeleton.of(skeleton)
    count = len(skeleton.names)

    centers, l1 = {"gaussians": gaussians, "num_classes": len(classes), "unmarked": unmarked}, losses.masked_l1
    heads = (
        detection.center_heatmap_head(classes, functools.partial(encode_center_heatmap, **centers)),
        detection.size_head(lambda placed: (detection.encode_size(placed), placed["is_marked"])),
        HeadSpec(
            "keypoint_displacement",
            2 * count,
            "centers",
            encode_keypoint_displacement,
            l1,
            flip=functools.partial(flip_displacements, flip_order=skeleton.flip_order),
            published_name="hps",
        ),
        detection.offset_head(lambda placed: (detection.encode_offset(placed), placed["is_marked"])),
        HeadSpec(
            "keypoint_heatmap",
            count,
            "everywhere",
            functools.partial(encode_keypoint_heatmap, gaussians=gaussians, count=count),
            losses.penalty_reduced_focal,
            bias=detection.PRIOR_BIAS,
            flip=functools.partial(flip_channels, order=skeleton.flip_order),
            target_to_map=detection.to_logits,
            published_name="hm_hp",
        ),
        HeadSpec("keypoint_offset", 2, "keypoints", encode_keypoint_offset, l1, published_name="hp_offset"),
    )
    placing, painting = functools.partial(place, count=count), functools.partial(paint, skeleton=skeleton)
    return Task("pose", tuple(classes), heads, to_boxes, placing, postprocess, painting)


def place(placed: dict, count: int) -> dict:
    """Adds where the keypoints "keypoints_xyv" (B, M, K, 3) lie on the map; `count` is K.

    A keypoint counts if it is marked and inside the map. An object without a marked keypoint is not "is_marked": as
    published it is a centre, but its size and offset are not trained. In an image that augmentation has rotated, which
    is not "upright", only the keypoint heatmap and the keypoint offset are trained.

    Returns:
        Also "keypoints_xy" (B, M * K, 2) float32 cells, "keypoint_cells_xy" (B, M * K, 2) int32, "keypoint_index"
        (B, M * K) int32, "keypoint_mask" (B, M * K) bool, "is_marked" (B, M) bool, "upright" (B,) bool.
    """
    map_height, map_width = placed["map_hw"]
    slots = placed["mask"].shape[1]
    keypoints_xyv = ops.cast(placed["keypoints_xyv"], "float32")
    has_mark = keypoints_xyv[..., 2] > 0
    xy = ops.reshape(keypoints_xyv[..., :2] / STRIDE, (-1, slots * count, 2))
    limits = ops.convert_to_tensor([map_width, map_height], "float32")
    is_inside = ops.all(ops.logical_and(xy >= 0, xy < limits), axis=-1)
    mask = ops.logical_and(ops.reshape(has_mark, (-1, slots * count)), is_inside)
    mask = ops.logical_and(mask, ops.repeat(placed["mask"], count, axis=1))
    cells_xy = ops.cast(ops.floor(ops.where(mask[..., None], xy, 0.0)), "int32")
    is_marked = ops.logical_and(placed["mask"], ops.any(has_mark, axis=-1))
    upright = ops.ones_like(is_marked[:, 0])
    if "is_rotated" in placed:
        upright = ops.logical_not(ops.cast(placed["is_rotated"], "bool"))
    return placed | {
        "keypoints_xy": xy,
        "keypoint_cells_xy": cells_xy,
        "keypoint_index": cells_xy[..., 1] * map_width + cells_xy[..., 0],
        "keypoint_mask": mask,
        "is_marked": ops.logical_and(is_marked, upright[:, None]),
        "upright": upright,
    }


def encode_center_heatmap(placed: dict, gaussians: detection.Gaussians, num_classes: int, unmarked: str) -> Tensor:
    """Returns (B, Hf, Wf, num_classes): Gaussians at the centres; `unmarked` as in `build_pose`."""
    mask, is_marked, radii = placed["mask"], placed["is_marked"], gaussians.radii(placed)
    if unmarked == "positive":
        heatmap = gaussians.draw(placed, mask, radii, num_classes)
    else:
        ignored = ops.logical_and(mask, ops.logical_not(is_marked))
        heatmap = gaussians.draw_around_ignored(placed, is_marked, ignored, radii, num_classes)
    heatmap = detection.ignore_hidden(placed, heatmap)
    return ops.where(placed["upright"][:, None, None, None], heatmap, detection.IGNORED)


def encode_keypoint_heatmap(placed: dict, gaussians: detection.Gaussians, count: int) -> Tensor:
    """Returns (B, Hf, Wf, K): Gaussians at the keypoints, as large as those at their objects' centres; `count` is K."""
    batch, slots = ops.shape(placed["mask"])[0], placed["mask"].shape[1]
    radii = ops.repeat(gaussians.radii(placed), count, axis=1)
    channels = ops.broadcast_to(ops.arange(count, dtype="int32"), (batch, slots, count))
    channels = ops.reshape(channels, (batch, slots * count))
    cells_xy = placed["keypoint_cells_xy"]
    heatmap = gaussians.draw_cells(placed, cells_xy, radii, channels, placed["keypoint_mask"], count)
    return detection.ignore_hidden(placed, heatmap, in_all_channels=True)


def encode_keypoint_displacement(placed: dict) -> tuple[Tensor, Tensor]:
    """Returns ((B, M, 2 K) cells from the centre's cell to each keypoint, x and y in turn; which of them count)."""
    slots = placed["mask"].shape[1]
    keypoints = placed["keypoint_mask"].shape[1] // slots
    xy = ops.reshape(placed["keypoints_xy"], (-1, slots, keypoints, 2))
    displacement = xy - ops.cast(placed["cells_xy"], "float32")[:, :, None, :]
    mask = ops.logical_and(placed["keypoint_mask"], placed["upright"][:, None])
    mask = ops.repeat(ops.reshape(mask, (-1, slots, keypoints)), 2, axis=-1)
    return ops.reshape(displacement, (-1, slots, 2 * keypoints)), mask


def encode_keypoint_offset(placed: dict) -> Tensor:
    """Returns (B, M * K, 2) float32: what rounding down took from each keypoint, in [0, 1) cells."""
    return placed["keypoints_xy"] - ops.cast(placed["keypoint_cells_xy"], "float32")


def flip_channels(mirrored: Tensor, order: list[int]) -> Tensor:
    """Returns a map (B, Hf, Wf, K) with left and right keypoints exchanged."""
    return ops.take(mirrored, order, axis=-1)


def flip_displacements(mirrored: Tensor, flip_order: list[int]) -> Tensor:
    """Returns a map of displacements (B, Hf, Wf, 2 K) with x negated and left and right keypoints exchanged."""
    channels = [2 * keypoint + axis for keypoint in flip_order for axis in (0, 1)]
    sign = ops.convert_to_tensor([-1.0, 1.0] * len(flip_order), mirrored.dtype)
    return ops.take(mirrored, channels, axis=-1) * sign


def to_boxes(readings: dict) -> dict:
    """Returns "boxes_xyxy" (B, N, 4) and "keypoints_xy" (B, N, K, 2) in cells, and "keypoint_scores" (B, N, K).

    A keypoint is the peak of its heatmap that is nearest to centre plus displacement, if that peak scores above 0.1,
    lies inside the box and at most 0.3 of the box's longer side away. Otherwise it is centre plus displacement, with
    score 0.1.
    """
    boxes = detection.to_boxes(readings)["boxes_xyxy"]
    displacement = ops.cast(readings["keypoint_displacement"], "float32")
    objects, keypoints = displacement.shape[1], displacement.shape[2] // 2
    regressed = ops.reshape(displacement, (-1, objects, keypoints, 2)) + readings["cells_xy"][:, :, None, :]
    if "keypoint_heatmap" not in readings:
        scores = ops.full_like(regressed[..., 0], UNMATCHED_SCORE)
        return {"boxes_xyxy": boxes, "keypoints_xy": regressed, "keypoint_scores": scores}
    candidates, scores = _candidates(readings)
    nearest_xy, nearest_score, distance = _nearest(regressed, candidates, scores)
    sides_wh = boxes[..., 2:] - boxes[..., :2]
    reach = SEARCH_SCALE * ops.max(sides_wh, axis=-1)[..., None]
    inside = ops.logical_and(nearest_xy >= boxes[:, :, None, :2], nearest_xy <= boxes[:, :, None, 2:])
    snaps = ops.logical_and(ops.all(inside, axis=-1), distance <= reach)
    snaps = ops.logical_and(snaps, nearest_score >= KEYPOINT_THRESHOLD)
    return {
        "boxes_xyxy": boxes,
        "keypoints_xy": ops.where(snaps[..., None], nearest_xy, regressed),
        "keypoint_scores": ops.where(snaps, nearest_score, UNMATCHED_SCORE),
    }


def postprocess(rows: dict, calibration: Tensor | None = None) -> dict:
    """Returns "keypoints_xy" (N, K, 2) in image pixels and "keypoint_scores" (N, K)."""
    return {key: rows[key] for key in ("keypoints_xy", "keypoint_scores")}


def paint(image: np.ndarray, found, skeleton: Skeleton, **options) -> np.ndarray:
    """Returns a copy of the image with boxes, limbs and keypoints."""
    from keras_centernet.drawing import paint_boxes
    from keras_centernet.drawing.keypoints import draw_keypoints

    canvas, keypoints = paint_boxes(image, found, **options), (found.keypoints_xy, found.keypoint_scores)
    width = options.get("line_width")
    return draw_keypoints(canvas, *keypoints, skeleton.limbs, threshold=DRAWN_SCORE, line_width=width)


def _candidates(readings: dict) -> tuple[Tensor, Tensor]:
    """Returns (positions (B, K, P, 2), scores (B, K, P)) of the keypoint peaks; those of low scores are far away."""
    scores = readings["keypoint_heatmap"]
    offset = ops.cast(readings["keypoint_offset"], "float32") if "keypoint_offset" in readings else 0.5
    positions = readings["keypoint_heatmap_cells_xy"] + offset
    counts = scores > KEYPOINT_THRESHOLD
    return ops.where(counts[..., None], positions, FAR_AWAY), ops.where(counts, scores, -1.0)


def _nearest(regressed, candidates, scores):
    """Returns position (B, N, K, 2), score (B, N, K) and distance (B, N, K) of each keypoint's nearest candidate."""
    objects, keypoints = regressed.shape[1:3]
    peaks = candidates.shape[2]
    difference = regressed[:, :, :, None, :] - candidates[:, None]  # (B, N, K, P, 2)
    squared = ops.sum(ops.square(difference), axis=-1)
    closeness, nearest = ops.top_k(-squared, 1)  # phones have it, but not the bit operation that Keras' argmin needs
    nearest = ops.cast(nearest[..., 0], "int32") + ops.arange(keypoints, dtype="int32") * peaks
    table = ops.concatenate([candidates, scores[..., None]], axis=-1)
    rows = read_at(ops.reshape(table, (-1, keypoints * peaks, 3)), ops.reshape(nearest, (-1, objects * keypoints)))
    rows = ops.reshape(rows, (-1, objects, keypoints, 3))
    return rows[..., :2], rows[..., 2], ops.sqrt(-closeness[..., 0])
