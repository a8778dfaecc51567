"""Pose: the joints of an object are its centre plus displacements, snapped to the nearest joint peak."""

from keras import ops

from keras_centernet.geometry import STRIDE
from keras_centernet.method import losses
from keras_centernet.method.gaussian import splat
from keras_centernet.method.peaks import read_at
from keras_centernet.method.specs import FieldSpec, HeadSpec, Task, Tensor
from keras_centernet.tasks import detection
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton

JOINT_THRESHOLD = 0.1  # As published: lower joint peaks are no candidates.
SEARCH_SCALE = 0.3  # As published: a candidate lies within this share of the box's longer side.
UNMATCHED_SCORE = 0.1  # of joints that no peak confirms; as in the Object Detection API
FAR_AWAY = -10000.0
DRAWN_SCORE = 0.05
UNMARKED = ("positive", "ignored")

POSE_FIELDS = {"keypoints_xyv": FieldSpec("float32", (None, 3), record_key="image/object/keypoint")}


def build_pose(
    classes: tuple[str, ...],
    radius: str = "published",
    skeleton: Skeleton | dict = COCO_PERSON,
    unmarked: str = "positive",
) -> Task:
    """Returns the task of finding objects with joints.

    Args:
        classes: names, in channel order of the heatmap.
        radius: rule of `keras_centernet.method.gaussian`, of centres and joints.
        skeleton: the K joints, or what `Skeleton.to_dict` made of them.
        unmarked: what objects without a marked joint are to the heatmap: "positive" as published, or
            "ignored", which the published code means to do and then undoes (it draws over it). Positives
            without joints are detections whose joints nobody has taught.

    Source: paper section 4.2 "Human pose estimation"; `MultiPoseDataset`, `MultiPoseLoss` and
        `multi_pose_decode` of the published code.
    """
    detection.check_radius(radius)
    if unmarked not in UNMARKED:
        raise ValueError(f"unmarked must be one of {UNMARKED}, got {unmarked!r}.")
    skeleton = Skeleton(**skeleton) if isinstance(skeleton, dict) else skeleton
    joints = len(skeleton.names)

    def encode_center_heatmap(placed):
        mask, jointed, radii = placed["mask"], placed["jointed"], detection.object_radii(placed, radius)
        if unmarked == "positive":
            heatmap = detection.splat_objects(placed, mask, radii, len(classes))
        else:
            ignored = ops.logical_and(mask, ops.logical_not(jointed))
            heatmap = detection.splat_around_ignored(placed, jointed, ignored, radii, len(classes))
        return ops.where(placed["upright"][:, None, None, None], heatmap, detection.IGNORED)

    def encode_keypoint_heatmap(placed):
        batch, slots = ops.shape(placed["mask"])[0], placed["mask"].shape[1]
        radii = ops.repeat(detection.object_radii(placed, radius), joints, axis=1)
        channels = ops.broadcast_to(ops.arange(joints, dtype="int32"), (batch, slots, joints))
        channels = ops.reshape(channels, (batch, slots * joints))
        cells_xy = placed["keypoint_cells_xy"]
        return splat(cells_xy, radii, channels, placed["keypoint_mask"], placed["map_hw"], joints)

    def place_joints(placed):
        return place(placed, joints)

    def unmirror_displacement(mirrored):
        return unmirror_displacements(mirrored, skeleton.flip_order)

    def unmirror_heatmap(mirrored):
        return ops.take(mirrored, skeleton.flip_order, axis=-1)

    def paint_joints(image, found, **options):
        return paint(image, found, skeleton, **options)

    focal, l1 = losses.penalty_reduced_focal, losses.masked_l1
    heads = (
        detection.center_heatmap_head(classes, encode_center_heatmap),
        detection.size_head(lambda placed: (detection.encode_size(placed), placed["jointed"])),
        HeadSpec(
            "keypoint_displacement",
            2 * joints,
            "centers",
            encode_keypoint_displacement,
            l1,
            unmirror=unmirror_displacement,
            published_name="hps",
        ),
        detection.offset_head(lambda placed: (detection.encode_offset(placed), placed["jointed"])),
        HeadSpec(
            "keypoint_heatmap",
            joints,
            "everywhere",
            encode_keypoint_heatmap,
            focal,
            bias=detection.PRIOR_BIAS,
            unmirror=unmirror_heatmap,
            to_map=detection.to_logits,
            published_name="hm_hp",
        ),
        HeadSpec("keypoint_offset", 2, "keypoints", encode_keypoint_offset, l1, published_name="hp_offset"),
    )
    return Task("pose", tuple(classes), heads, assemble, place_joints, finish, paint_joints)


def place(placed: dict, joints: int) -> dict:
    """Adds where the joints lie on the map.

    A joint counts when it is marked and inside the map. An object without a marked joint has no
    "jointed": as published it is a centre, but its size and offset are not trained. In a picture that is not
    "upright" nothing but the places of joints is.

    "keypoints_xy" (B, M * K, 2) float32 cells, "keypoint_cells_xy" (B, M * K, 2) int32, "keypoint_index"
    (B, M * K) int32, "keypoint_mask" (B, M * K) bool, "jointed" (B, M) bool, "upright" (B,) bool.
    """
    map_height, map_width = placed["map_hw"]
    slots = placed["mask"].shape[1]
    keypoints = ops.cast(placed["keypoints_xyv"], "float32")
    is_marked = keypoints[..., 2] > 0
    xy = ops.reshape(keypoints[..., :2] / STRIDE, (-1, slots * joints, 2))
    limits = ops.convert_to_tensor([map_width, map_height], "float32")
    is_inside = ops.all(ops.logical_and(xy >= 0, xy < limits), axis=-1)
    mask = ops.logical_and(ops.reshape(is_marked, (-1, slots * joints)), is_inside)
    mask = ops.logical_and(mask, ops.repeat(placed["mask"], joints, axis=1))
    cells_xy = ops.cast(ops.floor(ops.where(mask[..., None], xy, 0.0)), "int32")
    jointed = ops.logical_and(placed["mask"], ops.any(is_marked, axis=-1))
    upright = ops.ones_like(jointed[:, 0])
    if "is_rotated" in placed:
        upright = ops.logical_not(ops.cast(placed["is_rotated"], "bool"))
    return placed | {
        "keypoints_xy": xy,
        "keypoint_cells_xy": cells_xy,
        "keypoint_index": cells_xy[..., 1] * map_width + cells_xy[..., 0],
        "keypoint_mask": mask,
        "jointed": ops.logical_and(jointed, upright[:, None]),
        "upright": upright,
    }


def encode_keypoint_displacement(placed: dict) -> tuple[Tensor, Tensor]:
    """Returns ((B, M, 2 K) cells from the centre's cell to each joint, x and y in turn, and which of them count)."""
    slots = placed["mask"].shape[1]
    joints = placed["keypoint_mask"].shape[1] // slots
    xy = ops.reshape(placed["keypoints_xy"], (-1, slots, joints, 2))
    displacement = xy - ops.cast(placed["cells_xy"], "float32")[:, :, None, :]
    mask = ops.logical_and(placed["keypoint_mask"], placed["upright"][:, None])
    mask = ops.repeat(ops.reshape(mask, (-1, slots, joints)), 2, axis=-1)
    return ops.reshape(displacement, (-1, slots, 2 * joints)), mask


def encode_keypoint_offset(placed: dict) -> Tensor:
    """Returns (B, M * K, 2) float32: what rounding down took from each joint, in [0, 1) cells."""
    return placed["keypoints_xy"] - ops.cast(placed["keypoint_cells_xy"], "float32")


def unmirror_displacements(mirrored: Tensor, flip_order: list[int]) -> Tensor:
    """Returns a map of displacements (B, Hf, Wf, 2 K) with x negated and left and right joints exchanged."""
    channels = [2 * joint + axis for joint in flip_order for axis in (0, 1)]
    sign = ops.convert_to_tensor([-1.0, 1.0] * len(flip_order), mirrored.dtype)
    return ops.take(mirrored, channels, axis=-1) * sign


def assemble(readings: dict) -> dict:
    """Returns boxes and joints: "boxes_xyxy" (B, N, 4) and "keypoints_xy" (B, N, K, 2) in cells,
    "keypoint_scores" (B, N, K).

    A joint is the nearest peak of its heatmap, if that has a score above 0.1, lies inside the box and
    within 0.3 of its longer side; otherwise centre plus displacement, with score 0.1.
    """
    boxes = detection.assemble_boxes(readings)["boxes_xyxy"]
    displacement = ops.cast(readings["keypoint_displacement"], "float32")
    objects, joints = displacement.shape[1], displacement.shape[2] // 2
    regressed = ops.reshape(displacement, (-1, objects, joints, 2)) + readings["cells_xy"][:, :, None, :]
    if "keypoint_heatmap" not in readings:
        scores = ops.full_like(regressed[..., 0], UNMATCHED_SCORE)
        return {"boxes_xyxy": boxes, "keypoints_xy": regressed, "keypoint_scores": scores}
    candidates, scores = _candidates(readings)
    nearest_xy, nearest_score, distance = _nearest(regressed, candidates, scores)
    sides_wh = boxes[..., 2:] - boxes[..., :2]
    reach = SEARCH_SCALE * ops.max(sides_wh, axis=-1)[..., None]
    inside = ops.logical_and(nearest_xy >= boxes[:, :, None, :2], nearest_xy <= boxes[:, :, None, 2:])
    snaps = ops.logical_and(ops.all(inside, axis=-1), distance <= reach)
    snaps = ops.logical_and(snaps, nearest_score >= JOINT_THRESHOLD)
    return {
        "boxes_xyxy": boxes,
        "keypoints_xy": ops.where(snaps[..., None], nearest_xy, regressed),
        "keypoint_scores": ops.where(snaps, nearest_score, UNMATCHED_SCORE),
    }


def finish(rows: dict, calibration=None) -> dict:
    """Returns "keypoints_xy" (N, K, 2) in image pixels and "keypoint_scores" (N, K)."""
    return {key: rows[key].astype("float32") for key in ("keypoints_xy", "keypoint_scores")}


def paint(image, found, skeleton: Skeleton, **options):
    """Returns a picture of the boxes, with limbs and joints."""
    from keras_centernet.drawing import paint_boxes
    from keras_centernet.drawing.keypoints import draw_keypoints

    picture = paint_boxes(image, found, **options)
    scores = found.keypoint_scores
    width = options.get("line_width")
    return draw_keypoints(picture, found.keypoints_xy, scores, skeleton.limbs, threshold=DRAWN_SCORE, line_width=width)


def _candidates(readings: dict) -> tuple[Tensor, Tensor]:
    """Returns (places (B, K, P, 2), scores (B, K, P)) of the joint peaks; too low ones are far away."""
    scores = readings["keypoint_heatmap"]
    offset = ops.cast(readings["keypoint_offset"], "float32") if "keypoint_offset" in readings else 0.5
    places = readings["keypoint_cells_xy"] + offset
    counts = scores > JOINT_THRESHOLD
    return ops.where(counts[..., None], places, FAR_AWAY), ops.where(counts, scores, -1.0)


def _nearest(regressed, candidates, scores):
    """Returns place (B, N, K, 2), score (B, N, K) and distance (B, N, K) of each joint's nearest candidate."""
    objects, joints = regressed.shape[1:3]
    peaks = candidates.shape[2]
    difference = regressed[:, :, :, None, :] - candidates[:, None]  # (B, N, K, P, 2)
    squared = ops.sum(ops.square(difference), axis=-1)
    closeness, nearest = ops.top_k(-squared, 1)  # phones have it; Keras' argmin becomes a bit operation that they lack
    nearest = ops.cast(nearest[..., 0], "int32") + ops.arange(joints, dtype="int32") * peaks
    table = ops.concatenate([candidates, scores[..., None]], axis=-1)
    rows = read_at(ops.reshape(table, (-1, joints * peaks, 3)), ops.reshape(nearest, (-1, objects * joints)))
    rows = ops.reshape(rows, (-1, objects, joints, 3))
    return rows[..., :2], rows[..., 2], ops.sqrt(-closeness[..., 0])
