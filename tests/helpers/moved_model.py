"""Uses a model's file on the backend of this process. Argument: a folder with model.keras and batch.npz.

Writes found.npz (what the model detects), again.keras (the same model, saved here), trained.npz (losses of `fit` and of
`evaluate`) and trained.keras. The trained model must detect the same after it is saved and loaded.
"""

import os
import pathlib
import sys

import keras
import numpy as np

from keras_centernet import load_model
from tests.helpers.tiny_backbone import add_tiny_backbone


def detect(model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the best detection of each image."""
    found = model.detect_batch(images, top_k=5)
    return {name: keras.ops.convert_to_numpy(values)[:, 0] for name, values in found.items()}


def main(folder: str) -> None:
    """Detects, saves, trains, saves and loads."""
    add_tiny_backbone()
    folder, batch = pathlib.Path(folder), dict(np.load(os.path.join(folder, "batch.npz")))
    model, images = load_model(folder / "model.keras"), batch.pop("images")
    np.savez(folder / "found.npz", **detect(model, images))
    model.save(folder / "again.keras")
    model.compile("sgd", color_augmentation=False)
    history = model.fit(images, batch, batch_size=len(images), epochs=1, verbose=0).history
    evaluated = model.evaluate(images, batch, verbose=0, return_dict=True)
    model.save(folder / "trained.keras")
    trained, loaded = detect(model, images), detect(load_model(folder / "trained.keras"), images)
    for name, values in trained.items():
        np.testing.assert_array_equal(loaded[name], values, err_msg=name)
    np.savez(folder / "trained.npz", **{f"val_{name}": value for name, value in evaluated.items()}, **history)


if __name__ == "__main__":
    main(*sys.argv[1:])
