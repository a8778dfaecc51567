"""Raw head maps -> detections as tensors, inside the graph. The inverse of `encode_targets`."""

from keras_centernet.peaks import cell_xy, read_at, top_peaks
from keras_centernet.specs import Task


def decode(task: Task, maps: dict, top_k: int = 100) -> dict:
    """Returns the K best detections of every image, best first; always K rows, no threshold.

    Args:
        task: whose heads the maps belong to.
        maps: {head name: (B, Hf, Wf, channels) raw map}, heatmaps as logits.
        top_k: K; fewer rows where the map has fewer cells.

    Returns:
        "scores" (B, K) float32 in 0..1, descending; "classes" (B, K) int32; and what the task
        assembles, at least "boxes_xyxy" (B, K, 4) float32 in cells of the map, not clipped.

    Source: paper section 3 "From points to bounding boxes"; `ctdet_decode` of the published code.
    """
    heatmap = maps[task.center_heatmap.name]
    scores, classes, index = top_peaks(heatmap, top_k)
    readings = {head.name: read_at(maps[head.name], index) for head in task.heads if head.read_at == "centers"}
    readings["cells_xy"] = cell_xy(index, heatmap.shape[2])
    return {"scores": scores, "classes": classes, **task.assemble(readings)}
