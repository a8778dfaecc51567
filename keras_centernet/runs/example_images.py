"""Drawings of what a model detects in a few images, with heatmaps."""

import os

import keras
import numpy as np
import tensorflow as tf

from keras_centernet.compiling import to_arrays
from keras_centernet.detecting.detections import Detections
from keras_centernet.drawing.grid import GridRow, draw_grid, overlay_heatmap

SHOWN_SCORE = 0.3
TOP_K = 100


def draw_examples(model: keras.Model, dataset: tf.data.Dataset, path: str | os.PathLike, count: int = 6) -> None:
    """Draws image, ground truth, detections and heatmap of the first `count` images of a data set, a row each.

    Args:
        model: `CenterNet`.
        dataset: as `load_dataset` yields it, not augmented.
        path: of the drawing.
    """
    images, objects = next(iter(dataset.unbatch().batch(count)))
    images = np.asarray(images)
    objects = {key: np.asarray(value) for key, value in objects.items()}
    found, heatmaps = _find(model, images)
    truth = [_ground_truth(objects, i, image, model.classes) for i, image in enumerate(images)]
    draw_grid([GridRow(*row) for row in zip(images, truth, found, heatmaps, strict=True)], path)


def detections_and_heatmaps(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns {"detections", "heatmaps"}: (B, H, W, 3) uint8 drawings for a batch of inputs."""
    found, heatmaps = _find(model, images)
    return {
        "detections": np.stack([one.draw() for one in found]),
        "heatmaps": np.stack([overlay_heatmap(*pair) for pair in zip(images, heatmaps, strict=True)]),
    }


def _find(model: keras.Model, images: np.ndarray) -> tuple[list[Detections], np.ndarray]:
    """Returns the detections and the (B, Hf, Wf) float32 heatmap over all classes of each image, by one run."""
    maps = model.predictor.maps(images)  # not `predict_on_batch`, which all workers would have to call
    outputs = to_arrays(model.predictor.decoded(maps, TOP_K))
    kept = outputs["scores"] >= SHOWN_SCORE
    rows = ({key: value[i][kept[i]] for key, value in outputs.items()} for i in range(len(images)))
    found = [_as_detections(row, row["scores"], image, model.classes) for row, image in zip(rows, images, strict=True)]
    logits = maps[model.task.center_heatmap.name]
    return found, keras.ops.convert_to_numpy(keras.ops.sigmoid(keras.ops.max(logits, axis=-1)))


def _ground_truth(objects: dict, i: int, image: np.ndarray, names: tuple[str, ...]) -> Detections:
    is_object = objects["mask"][i] & ~objects["is_hidden"][i] if "is_hidden" in objects else objects["mask"][i]
    rows = {key: objects[key][i][is_object] for key in ("boxes_xyxy", "classes")}
    return _as_detections(rows, np.ones(len(rows["classes"])), image, names)


def _as_detections(rows: dict, scores: np.ndarray, image: np.ndarray, names: tuple[str, ...]) -> Detections:
    return Detections(rows["boxes_xyxy"], scores, rows["classes"], [names[c] for c in rows["classes"]], image=image)
