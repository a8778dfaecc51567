"""Replaces a head's output by the ground truth, to bound how much AP the errors of that head cost."""

from collections.abc import Sequence

import cv2
import numpy as np
from keras.ops import convert_to_numpy

from keras_centernet.errors import UserError
from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.method.targets import encode_targets, index_of, mask_of


def find_heads(task: Task, names: Sequence[str]) -> list[HeadSpec]:
    """Returns the heads with those names; "heatmap" stands for the centre heatmap.

    Raises:
        UserError: the task has no head of a name.
    """
    heads = {head.name: head for head in task.heads}
    heads["heatmap"] = task.center_heatmap
    for name in names:
        if name not in heads:
            raise UserError(f"oracle: expected heads of task {task.name} ({', '.join(heads)}), got {name!r}.")
    return [heads[name] for name in names]


def with_truth(task: Task, heads: Sequence[HeadSpec], maps: dict, objects: dict) -> dict:
    """Returns the maps of a batch with those of some heads replaced by the ground truth.

    Heatmaps become the training target. In other maps every cell gets the value of the nearest object (or of the
    nearest keypoint, for heads read at keypoints), so that a peak a few cells off its centre reads the same value.

    Args:
        task: the one that the maps belong to.
        heads: those of the task to replace.
        maps: {head name: (B, Hf, Wf, channels) raw map}.
        objects: padded objects as `load_dataset` yields them.

    Source: `gen_oracle_map` and the `eval_oracle_*` options of the published code, which fills maps from the centres
        outwards; the results differ only for objects that share a cell.
    """
    map_hw = tuple(maps[task.center_heatmap.name].shape[1:3])
    targets = encode_targets(task, objects, map_hw)
    return maps | {head.name: _perfect_map(head, targets, map_hw) for head in heads}


def _perfect_map(head: HeadSpec, targets: dict, map_hw: tuple[int, int]) -> np.ndarray:
    values = np.asarray(convert_to_numpy(head.target_to_map(targets[head.name])), np.float32)
    if head.read_at == "everywhere":
        return values
    index, mask = convert_to_numpy(index_of(head, targets)), convert_to_numpy(mask_of(head, targets)) > 0
    mask = mask.reshape(*index.shape, -1).any(axis=-1)
    return np.stack([_fill(*rows, map_hw) for rows in zip(values, index, mask, strict=True)])


def _fill(values: np.ndarray, index: np.ndarray, mask: np.ndarray, map_hw: tuple[int, int]) -> np.ndarray:
    """Returns (Hf, Wf, channels) with the values (M, channels) of the nearest masked cell in Manhattan distance."""
    values, index = values[mask], index[mask]
    if not len(index):
        return np.zeros((*map_hw, values.shape[-1]), np.float32)
    is_free = np.ones(map_hw, np.uint8)
    is_free.flat[index] = 0
    _, labels = cv2.distanceTransformWithLabels(is_free, cv2.DIST_L1, 3, labelType=cv2.DIST_LABEL_PIXEL)
    row_of_label = np.zeros(labels.max() + 1, int)
    row_of_label[labels.flat[index]] = np.arange(len(index))
    return values[row_of_label[labels]]
