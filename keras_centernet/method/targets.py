"""Objects -> training targets with static shapes. The inverse of `decode`."""

from keras import ops

from keras_centernet.geometry import STRIDE
from keras_centernet.method.gaussian import has_channel
from keras_centernet.method.specs import HeadSpec, Task, Tensor

# Where a head is taught -> prefix of the targets "<prefix>_index", its cells, and "<prefix>_mask", which rows count.
ROWS = {"centers": "center", "keypoints": "keypoint", "areas": "area"}


def encode_targets(task: Task, objects: dict, map_hw: tuple[int, int]) -> dict:
    """Returns the target of every head of a task, for a batch of padded objects.

    The same function runs in the training step on the device and inside tf.data on the host.

    Args:
        task: whose heads to encode.
        objects: "boxes_xyxy" (B, M, 4) float32 in input pixels, "classes" (B, M) int32, "mask" (B, M)
            bool; padded rows are False, and rows of no class of the task do not count. Optional "is_hidden" (B, M)
            bool: regions that hide objects of their class, neither positive nor negative. Other keys are left alone.
        map_hw: (Hf, Wf) of the feature map.

    Returns:
        "center_index" (B, M) int32 (y * Wf + x; 0 where masked), "center_mask" (B, M) bool, the same for
        keypoints (B, M * K) if the task has some, and per head name a float32 target: (B, Hf, Wf,
        channels) if read everywhere, (B, M, channels) at centers, (B, M * K, channels) at
        keypoints (zero where masked), (B, M * 25, channels) if taught at areas, with "area_index" and the weights
        "area_mask" of `areas.place_areas`. A head for which other rows count than `center_mask` or `keypoint_mask`
        says has its own "<name>_mask".

    Source: paper section 3; `CTDetDataset.__getitem__` of the published code: corners are clipped to
        [0, Wf - 1] x [0, Hf - 1], the centre is that of the clipped box, objects without area are
        left out.
    """
    mask = has_channel(objects["classes"], objects["mask"], len(task.classes))
    placed = task.place(place_objects({**objects, "mask": mask}, map_hw))
    targets = {"center_index": placed["center_index"], "center_mask": placed["mask"]}
    rows = [f"{rows}_{kind}" for rows in ROWS.values() for kind in ("index", "mask")]
    targets |= {key: placed[key] for key in rows if key in placed and key not in targets}
    for head in task.heads:
        target = head.encode(placed)
        if isinstance(target, tuple):
            target, targets[f"{head.name}_mask"] = target
        if head.read_at != "everywhere":
            mask = ops.cast(ops.cast(mask_of(head, targets), "bool"), "float32")  # weights above zero count as 1
            target = target * (mask[..., None] if len(mask.shape) < len(target.shape) else mask)
        targets[head.name] = target
    return targets


def index_of(head: HeadSpec, targets: dict) -> Tensor:
    """Returns the (B, rows) cell indices at which a head is compared with its target."""
    return targets[f"{_rows(head)}_index"]


def mask_of(head: HeadSpec, targets: dict) -> Tensor:
    """Returns which rows of a head's target count, or how much: (B, rows), or (B, rows, channels)."""
    return targets.get(f"{head.name}_mask", targets[f"{_rows(head)}_mask"])


def _rows(head: HeadSpec) -> str:
    return ROWS[head.taught_at or head.read_at]


def place_objects(objects: dict, map_hw: tuple[int, int]) -> dict:
    """Returns where each object lies on the map, for the heads' encoders. Arguments as in `encode_targets`.

    Returns:
        All keys of `objects`, with "boxes_xyxy" (B, M, 4) now in cells and clipped, "mask" without the
        objects that have no area on the map or are hidden, and "centers_xy" (B, M, 2) float32, "cells_xy"
        (B, M, 2) int32, "sizes_wh" (B, M, 2) float32, "center_index" (B, M) int32, "map_hw". If objects
        have "is_hidden", also "hidden" (B, M) bool: the hidden regions that reach into the map.
    """
    map_height, map_width = map_hw
    last_cell = ops.convert_to_tensor([map_width - 1, map_height - 1] * 2, "float32")
    unclipped_xyxy = ops.cast(objects["boxes_xyxy"], "float32") / STRIDE
    boxes_xyxy = ops.minimum(ops.maximum(unclipped_xyxy, 0.0), last_cell)
    top_left, bottom_right = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    sizes_wh = bottom_right - top_left
    mask = ops.logical_and(ops.cast(objects["mask"], "bool"), ops.all(sizes_wh > 0, axis=-1))
    regions = {}
    if "is_hidden" in objects:
        is_hidden = ops.cast(objects["is_hidden"], "bool")
        reaches_in = ops.logical_and(is_hidden, _meets(unclipped_xyxy, map_hw))
        regions["hidden"] = ops.logical_and(ops.cast(objects["mask"], "bool"), reaches_in)
        mask = ops.logical_and(mask, ops.logical_not(is_hidden))
    centers_xy = (top_left + bottom_right) / 2
    cells_xy = ops.cast(ops.floor(centers_xy), "int32")
    center_index = cells_xy[..., 1] * map_width + cells_xy[..., 0]
    return {
        **objects,
        **regions,
        "boxes_xyxy": boxes_xyxy,
        "mask": mask,
        "centers_xy": centers_xy,
        "cells_xy": cells_xy,
        "sizes_wh": sizes_wh,
        "center_index": ops.where(mask, center_index, 0),
        "map_hw": map_hw,
    }


def _meets(boxes_xyxy: Tensor, map_hw: tuple[int, int]) -> Tensor:
    """Whether a part of each box is inside the map, also right of or below the corner of the last cell."""
    map_size = ops.convert_to_tensor(map_hw[::-1], "float32")
    is_inside = ops.logical_and(boxes_xyxy[..., 2:] > 0, boxes_xyxy[..., :2] < map_size)
    return ops.all(is_inside, axis=-1)
