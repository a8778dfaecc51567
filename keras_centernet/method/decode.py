"""Raw head maps -> detections as tensors, inside the graph. The inverse of `encode_targets`."""

from keras import ops

from keras_centernet.method.duplicates import drop_duplicates
from keras_centernet.method.peaks import cell_xy, channel_peaks, read_at, top_peaks
from keras_centernet.method.specs import HeadSpec, Task


def decode(task: Task, maps: dict, top_k: int = 100) -> dict:
    """Returns the K best detections of every image, best first; always K rows, no threshold.

    Args:
        task: whose heads the maps belong to.
        maps: {head name: (B, Hf, Wf, channels) raw map}, heatmaps as logits.
        top_k: K; a map with fewer cells gives one row per cell.

    Returns:
        "scores" (B, K) float32 in 0..1, descending; "classes" (B, K) int32; and what the task
        assembles, at least "boxes_xyxy" (B, K, 4) float32 in cells of the map, not clipped. With `Task.nms` duplicates
        come last, with the score -1.

    Source: paper section 3 "From points to bounding boxes"; `ctdet_decode`, `ddd_decode` and
        `multi_pose_decode` of the published code.
    """
    heatmap = maps[task.center_heatmap.name]
    scores, classes, index = top_peaks(heatmap, top_k)
    readings = {head.name: read_at(maps[head.name], index) for head in task.heads if head.read_at == "centers"}
    readings["cells_xy"] = cell_xy(index, heatmap.shape[2])
    for number, keypoint_heatmap in enumerate(task.keypoint_heatmaps):
        names = (keypoint_heatmap.name, "") if number == 0 else (keypoint_heatmap.name,)
        heads = [head for head in task.heads if head.read_at == "keypoints" and head.peaks_of in names]
        readings |= _read_at_peaks(keypoint_heatmap, heads, maps, top_k)
    found = {"scores": scores, "classes": classes, **task.to_boxes(readings)}
    return found if task.nms is None else drop_duplicates(found, task.nms)


def _read_at_peaks(heatmap: HeadSpec, heads: list[HeadSpec], maps: dict, top_k: int) -> dict:
    """Returns the peaks of every channel of a heatmap, and the values of other heads' maps there.

    {its name: (B, C, K) scores, "<its name>_cells_xy": (B, C, K, 2), name of each of the heads: (B, C, K, channels)}.
    """
    values = maps[heatmap.name]
    scores, index = channel_peaks(values, top_k)
    channels, peaks = index.shape[1:]
    flat_index = ops.reshape(index, (-1, channels * peaks))
    cells_xy = ops.reshape(cell_xy(flat_index, values.shape[2]), (-1, channels, peaks, 2))
    readings = {heatmap.name: scores, f"{heatmap.name}_cells_xy": cells_xy}
    for head in heads:
        read = read_at(maps[head.name], flat_index)
        readings[head.name] = ops.reshape(read, (-1, channels, peaks, head.channels))
    return readings
