"""Drawings of what a model detects in a few images, with heatmaps."""

import os

import keras
import numpy as np
import tensorflow as tf

from keras_centernet.detecting.detections import Detections
from keras_centernet.detecting.graphs.compiling import to_arrays
from keras_centernet.detecting.thresholds import lowest_scores
from keras_centernet.diagnostics.photos import read_photos
from keras_centernet.drawing.grid import GridRow, draw_grid, overlay_heatmap
from keras_centernet.geometry import STRIDE, clip_to_size, compose_affine, invert_affine, transform_boxes, warp

TOP_K = 100
LONGEST = 720  # most pixels of a photo's longer side; the grid draws it even smaller


def draw_examples(model: keras.Model, dataset: tf.data.Dataset, path: str | os.PathLike, count: int = 6) -> None:
    """Draws photo, ground truth, detections and heatmap of the first `count` images of a data set, a row each.

    Args:
        model: `CenterNet`; its `thresholds` say which detections are drawn.
        dataset: as `load_dataset` yields it, not augmented.
        path: of the drawing.
    """
    images, objects = next(iter(dataset.unbatch().batch(count)))
    images = np.asarray(images)
    objects = {key: np.asarray(value) for key, value in objects.items()}
    photos = read_photos(dataset.source, objects["image_id"].tolist())
    found, heatmaps = _find(model, images)
    rows = []
    for i, image_id in enumerate(objects["image_id"].tolist()):
        truth = _ground_truth(objects, i, images[i], model.classes)
        photo = photos[image_id][1] if image_id in photos else None
        rows.append(_in_photo(GridRow(images[i], truth, found[i], heatmaps[i]), photo, objects["image_to_input"][i]))
    draw_grid(rows, path)


def detections_and_heatmaps(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns {"detections", "heatmaps"}: (B, H, W, 3) uint8 drawings for a batch of inputs."""
    found, heatmaps = _find(model, images)
    return {
        "detections": np.stack([one.draw() for one in found]),
        "heatmaps": np.stack([overlay_heatmap(*pair) for pair in zip(images, heatmaps, strict=True)]),
    }


def _in_photo(row: GridRow, photo: np.ndarray | None, image_to_input: np.ndarray) -> GridRow:
    """Returns the row in the frame of the photo that the input was made from; unchanged if there is no photo."""
    if photo is None:
        return row
    zoom = min(1.0, LONGEST / max(photo.shape[:2]))
    small_hw = tuple(max(1, round(side * zoom)) for side in photo.shape[:2])
    shrink = np.array([[zoom, 0, 0], [0, zoom, 0]])
    to_photo = compose_affine(shrink, invert_affine(image_to_input))
    from_cells = compose_affine(to_photo, np.array([[STRIDE, 0, 0], [0, STRIDE, 0]]))
    image, heatmap = warp(photo, shrink, small_hw), warp(row.heatmap, from_cells, small_hw)
    return GridRow(image, _moved(row.truth, to_photo, image), _moved(row.detections, to_photo, image), heatmap)


def _moved(found: Detections, matrix: np.ndarray, image: np.ndarray) -> Detections:
    boxes_xyxy, _ = clip_to_size(transform_boxes(found.boxes_xyxy, matrix), image.shape[:2])
    return Detections(boxes_xyxy, found.scores, found.classes, found.class_names, image=image)


def _find(model: keras.Model, images: np.ndarray) -> tuple[list[Detections], np.ndarray]:
    """Returns the detections, and (B, Hf, Wf) float32 heatmaps (the highest of all classes), of one forward pass."""
    maps = model.predictor.maps(images)  # not `predict_on_batch`, which all workers would have to call
    outputs = to_arrays(model.predictor.decoded(maps, TOP_K))
    kept = outputs["scores"] >= lowest_scores(model, None)[outputs["classes"].astype(np.int64)]
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
