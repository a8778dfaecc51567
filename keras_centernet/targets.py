"""Objects -> training targets with static shapes. The inverse of `decode`."""

from keras import ops

from keras_centernet.geometry import STRIDE
from keras_centernet.specs import Task


def encode_targets(task: Task, objects: dict, map_hw: tuple[int, int]) -> dict:
    """Returns the target of every head of a task, for a batch of padded objects.

    The same function runs in the training step on the device and inside tf.data on the host.

    Args:
        task: whose heads to encode.
        objects: "boxes_xyxy" (B, M, 4) float32 in input pixels, "classes" (B, M) int32, "mask" (B, M)
            bool; padded rows are False. Other keys are left alone.
        map_hw: (Hf, Wf) of the feature map.

    Returns:
        "center_index" (B, M) int32 (y * Wf + x; 0 where masked), "center_mask" (B, M) bool, and per
        head name a float32 target: (B, Hf, Wf, channels) where read everywhere, (B, M, channels) at
        centers (zero where masked).

    Source: paper section 3; `CTDetDataset.__getitem__` of the published code: corners are clipped to
        [0, Wf - 1] x [0, Hf - 1], the centre is that of the clipped box, objects without area are
        left out.
    """
    placed = place_objects(objects, map_hw)
    targets = {"center_index": placed["center_index"], "center_mask": placed["mask"]}
    for head in task.heads:
        target = head.encode(placed)
        if head.read_at == "centers":
            target = target * ops.cast(placed["mask"], "float32")[..., None]
        targets[head.name] = target
    return targets


def place_objects(objects: dict, map_hw: tuple[int, int]) -> dict:
    """Returns where each object lies on the map; what the heads' encoders read.

    Args:
        objects: as in `encode_targets`.
        map_hw: (Hf, Wf).

    Returns:
        All keys of `objects`, with "boxes_xyxy" (B, M, 4) now in cells and clipped, "mask" without the
        objects that have no area on the map, and "centers_xy" (B, M, 2) float32, "cells_xy" (B, M, 2)
        int32, "sizes_wh" (B, M, 2) float32, "center_index" (B, M) int32, "map_hw".
    """
    map_height, map_width = map_hw
    last_cell = ops.convert_to_tensor([map_width - 1, map_height - 1] * 2, "float32")
    boxes_xyxy = ops.cast(objects["boxes_xyxy"], "float32") / STRIDE
    boxes_xyxy = ops.minimum(ops.maximum(boxes_xyxy, 0.0), last_cell)
    top_left, bottom_right = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    sizes_wh = bottom_right - top_left
    mask = ops.logical_and(ops.cast(objects["mask"], "bool"), ops.all(sizes_wh > 0, axis=-1))
    centers_xy = (top_left + bottom_right) / 2
    cells_xy = ops.cast(ops.floor(centers_xy), "int32")
    center_index = cells_xy[..., 1] * map_width + cells_xy[..., 0]
    return {
        **objects,
        "boxes_xyxy": boxes_xyxy,
        "mask": mask,
        "centers_xy": centers_xy,
        "cells_xy": cells_xy,
        "sizes_wh": sizes_wh,
        "center_index": ops.where(mask, center_index, 0),
        "map_hw": map_hw,
    }
