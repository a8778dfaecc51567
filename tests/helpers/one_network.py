"""Checks what must hold for every row of the table of networks: it trains, is saved and loaded, and exports.

Run in a process of its own for each network, because the largest take several GiB to train:

    python tests/helpers/one_network.py NAME FOLDER
"""

import gc
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_centernet import BACKBONES, CenterNet, load_dataset, load_model
from keras_centernet.exporting import agreement, export_tflite
from keras_centernet.fitting.nonfinite import StopOnNonFiniteLoss

STEPS = 3


def check_training(name: str, policy: str, folder: pathlib.Path) -> None:
    """Trains a few steps, saves, loads, and checks that it detects the same."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    side = 2 * BACKBONES[name].multiple_of  # batch normalisation of two 1x1 maps lets gradients explode
    train = load_dataset("shapes", input_size=side, batch_size=2, limit=2 * STEPS)
    model = CenterNet(name, classes=train.classes, input_size=side)
    before = _sums(model.trainable_variables)
    model.compile("adam")
    model.fit(train, verbose=0, callbacks=[StopOnNonFiniteLoss()])
    after = _sums(model.trainable_variables)
    assert np.all(np.isfinite(after))
    assert np.mean(before != after) > 0.95  # all except weights behind a ReLU that is 0 for these images
    images = np.asarray(next(iter(train))[0])
    model.save(folder / "model.keras")
    expected = _detections(model, images)
    del model
    gc.collect()
    for key, value in _detections(load_model(folder / "model.keras"), images).items():
        np.testing.assert_array_equal(expected[key], value, err_msg=key)
    gc.collect()


def check_tflite(name: str, folder: pathlib.Path) -> None:
    """Exports with the decoding in the graph, and checks that LiteRT detects the same."""
    keras.config.set_dtype_policy("float32")
    side = max(64, BACKBONES[name].multiple_of)
    model = CenterNet(name, num_classes=3, input_size=side)
    for head, spread in (("center_heatmap", 0.05), ("size", 0.02), ("offset", 0.02)):  # scores that all differ
        kernel = model.network.get_layer(head).kernel
        kernel.assign(keras.random.normal(kernel.shape, stddev=spread, seed=3))
    path = export_tflite(model, folder / "model.tflite", top_k=20)
    images = np.asarray(next(iter(load_dataset("shapes", "val", input_size=side, batch_size=1)))[0])
    worst = agreement(model, path, images, threshold=0)
    assert min(worst["heads"].values()) > 0.9999
    assert worst["score"] < 1e-3


def _sums(variables) -> np.ndarray:
    """Returns one number per variable, which changes when the variable does."""
    return np.array([float(keras.ops.sum(variable * variable)) for variable in variables])


def _detections(model, images) -> dict:
    return {key: np.asarray(value) for key, value in model.detect_batch(images, top_k=20).items()}


if __name__ == "__main__":
    network, place = sys.argv[1], pathlib.Path(sys.argv[2])
    for precision in ("float32", "mixed_bfloat16"):
        check_training(network, precision, place)
    if BACKBONES[network].exports:
        check_tflite(network, place)
