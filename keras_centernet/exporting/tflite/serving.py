"""The graph that a client runs without this package: an image in, boxes out."""

from collections.abc import Collection

import numpy as np
from keras import ops

from keras_centernet.geometry import is_position, is_vector
from keras_centernet.method.decode import decode
from keras_centernet.method.peaks import part_ties
from keras_centernet.method.specs import Task

# The outputs of every exported detector, in this order: what MediaPipe and the Task Library expect.
OUTPUTS = ("location", "category", "score", "count")
ROUNDED = "_quantized"  # suffix of an 8-bit head's name; its dequantised floats have the head's own name


def serve_maps(task: Task, maps: dict, top_k: int = 100) -> dict:
    """Returns the detections of one letterboxed image in the form that mobile clients read.

    It is converted separately from the network, so that a network of any precision gets the same float decoding.

    Args:
        task: whose heads the maps belong to.
        maps: {head name: (1, Hf, Wf, channels) raw map}.
        top_k: N.

    Returns:
        "location" (1, N, 4) float32: ymin, xmin, ymax, xmax as fractions of the input, within 0..1; "category" (1, N)
        float32 class indices; "score" (1, N) float32, descending; "count" (1,) float32; and what else the task decodes
        by its own names (see `tasks`), positions and vectors (x, y) as fractions of the input too.
    """
    found = decode(task, maps, top_k)
    map_height, map_width = maps[task.center_heatmap.name].shape[1:3]
    boxes = found["boxes_xyxy"]
    x1, y1, x2, y2 = (boxes[..., i : i + 1] for i in range(4))
    location = ops.concatenate([y1 / map_height, x1 / map_width, y2 / map_height, x2 / map_width], axis=-1)
    size_wh = ops.convert_to_tensor([map_width, map_height], "float32")
    more = {key: value for key, value in found.items() if key not in ("boxes_xyxy", "classes", "scores")}
    return {
        "location": ops.minimum(ops.maximum(location, 0.0), 1.0),
        "category": ops.cast(found["classes"], "float32"),
        "score": found["scores"],
        "count": ops.full((1,), boxes.shape[1], dtype="float32"),
        **{key: value / size_wh if _is_scaled(key) else value for key, value in more.items()},
    }


def part_heatmaps(task: Task, maps: dict, rounded: Collection[str]) -> dict:
    """Returns the maps, {head name: (B, Hf, Wf, channels)}, ties broken in heatmaps that were `rounded` to 8 bits."""
    parted = {head.name for head in task.heads if head.read_at == "everywhere"} & set(rounded)
    return {name: part_ties(values) if name in parted else values for name, values in maps.items()}


def from_fractions(found: dict, input_hw: tuple[int, int]) -> dict:
    """Returns what `serve_maps` gave, without the batch, in the form of `CenterNet.detect_batch`: in input pixels."""
    height, width = input_hw
    location, category, score, _ = (found[name] for name in OUTPUTS)
    more = {key: value for key, value in found.items() if key not in OUTPUTS}
    size_wh = np.float32([width, height])
    return {
        "boxes_xyxy": location[:, [1, 0, 3, 2]] * np.float32([width, height, width, height]),
        "scores": score,
        "classes": category.astype(np.int32),
        **{key: value * size_wh if _is_scaled(key) else value for key, value in more.items()},
    }


def _is_scaled(name: str) -> bool:
    return is_position(name) or is_vector(name)
