"""The graph that a client runs: picture in, boxes out, nothing of this package needed."""

import keras
from keras import ops

from keras_centernet.geometry import is_position
from keras_centernet.method.decode import decode
from keras_centernet.method.specs import Task, Tensor

# The outputs of every exported detector, in this order: what MediaPipe and the Task Library expect.
OUTPUTS = ("location", "category", "score", "count")


def serve(model: keras.Model, images: Tensor, top_k: int = 100) -> dict:
    """Returns the detections of one letterboxed picture in the form that mobile clients read.

    Args:
        model: `CenterNet`.
        images: (1, H, W, 3) float32 RGB in 0..255; normalisation is part of the graph.
        top_k: N.

    Returns:
        "location" (1, N, 4) float32: ymin, xmin, ymax, xmax as fractions of the input, within 0..1;
        "category" (1, N) float32 class indices; "score" (1, N) float32, descending; "count" (1,) float32; and
        what else the task decodes by its own names, places (x, y) as fractions of the input too: "keypoints_xy"
        (1, N, K, 2) and "keypoint_scores" (1, N, K) of poses; "points_xy" (1, N, 2), "depths" (1, N),
        "dimensions_hwl" (1, N, 3) and "alphas" (1, N) of 3D boxes (`camera.locate` makes places in metres of them).
    """
    return serve_maps(model.task, model(images, training=False), top_k)


def serve_maps(task: Task, maps: dict, top_k: int = 100) -> dict:
    """Returns what `serve` returns from {head name: (1, Hf, Wf, channels) raw map}: the decoding by itself.

    It is converted apart from the network, so that a network of any precision gets the same float decoding.
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
        **{key: value / size_wh if is_position(key) else value for key, value in more.items()},
    }
