"""A drawing of training images as the network sees them."""

import numpy as np
from keras import ops

from keras_centernet.drawing.tiles import draw_tiles
from keras_centernet.model import CenterNet
from keras_centernet.networks.normalization import (
    RANDOM_NUMBERS,
    augment_and_normalize,
    normalize,
    without_normalization,
)
from keras_centernet.runs.datasets import Datasets
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.tasks.table import task_row

SHOWN = 8


def draw_training_batch(model: CenterNet, data: Datasets, settings: TrainSettings) -> np.ndarray:
    """Returns a uint8 RGB drawing of the first training images, augmented, with the objects to learn.

    They are read in a separate pass, so that the order of the training does not change.
    """
    images, objects = next(iter(data.load_train(batch_size=min(SHOWN, settings.batch_size))))
    objects = {key: np.asarray(value) for key, value in objects.items()}
    is_object = objects["mask"] & ~objects["is_hidden"] if "is_hidden" in objects else objects["mask"]
    boxes, classes = (
        [rows[kept] for rows, kept in zip(objects[key], is_object, strict=True)] for key in ("boxes_xyxy", "classes")
    )
    return draw_tiles(_as_seen(model, np.asarray(images), settings), boxes, classes, model.classes)


def _as_seen(model: CenterNet, images: np.ndarray, settings: TrainSettings) -> np.ndarray:
    """Returns the images as uint8 RGB, with the colour augmentation of the training."""
    if task_row(model.task).color if settings.color is None else settings.color:
        # These are not taken from the model's own random numbers, whose sequence must not change.
        numbers = np.random.default_rng(settings.seed).uniform(size=(len(images), RANDOM_NUMBERS)).astype("float32")
        seen = augment_and_normalize(images, model.normalization, ops.convert_to_tensor(numbers))
    else:
        seen = normalize(images, model.normalization)
    seen = without_normalization(ops.convert_to_numpy(seen), model.normalization)
    return np.clip(np.round(seen), 0, 255).astype(np.uint8)
