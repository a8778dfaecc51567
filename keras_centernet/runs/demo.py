"""The demonstration: train, evaluate and export on built-in data, as `make demo` does."""

import os

import numpy as np

from keras_centernet.data import load_dataset
from keras_centernet.exporting import agreement, export_tflite
from keras_centernet.files.outputs import check_outputs
from keras_centernet.files.paths import to_path
from keras_centernet.model import load_model
from keras_centernet.runs.folder import BEST, LAST
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train

DATA, BACKBONE = "shapes", "mobilenet_v2"
INPUT_SIZE = 128
COMPARED_IMAGES = 32
EXPORTED = "detector.tflite"


def demo(output: str | os.PathLike, seed: int = 0, overwrite: bool = False) -> dict:
    """Trains on `shapes`, evaluates, exports to TFLite and prints how well it agrees with Keras; returns the metrics.

    Raises:
        UserError: the folder `output` holds a run or other results, and `overwrite` is false.
    """
    output = to_path(output)
    check_outputs([output / name for name in (EXPORTED, BEST, LAST)], overwrite)
    # No augmentation: the images vary enough by themselves.
    data = {"data": DATA, "backbone": BACKBONE, "input_size": INPUT_SIZE, "augmentation": "none", "color": False}
    training = {
        "seed": seed,
        "batch_size": 8,
        "epochs": 5,
        "learning_rate": 6e-3,
        "warmup_epochs": 0.5,
        "evaluate_every": 2,
    }
    metrics = train(TrainSettings(output=str(output), overwrite=overwrite, **data, **training))
    model = load_model(output / BEST)
    path = export_tflite(model, output / EXPORTED)
    val_set = load_dataset(DATA, "val", input_size=INPUT_SIZE, batch_size=COMPARED_IMAGES)
    worst = agreement(model, path, np.asarray(next(iter(val_set))[0]))
    found = f"{worst['detections']} detections in {worst['images']} images, at most {worst['box_pixels']:.4f} px"
    classes = "equal" if worst["same_classes"] else "different"
    print(f"{path}: {found} and {worst['score']:.6f} of score from Keras, classes {classes}.")
    return metrics
