"""One export of each precision, for all tests of exporting."""

import numpy as np
import pytest

from keras_centernet import load_dataset
from keras_centernet.exporting import export_tflite

INPUT_HW = (64, 96)
TOP_K = 20


@pytest.fixture(scope="session")
def drawn():
    """(100, 64, 96, 3) uint8 pictures of the built-in data set."""
    batches = load_dataset("shapes", input_size=INPUT_HW, batch_size=100, limit=100, training=False)
    return np.asarray(next(iter(batches))[0])


@pytest.fixture(scope="session")
def export_once(tiny_model, drawn, tmp_path_factory):
    """export_once(precision, raw_heads) -> (model, path): the tiny detector, written once per combination."""
    model, folder, paths = tiny_model(input_size=INPUT_HW), tmp_path_factory.mktemp("exports"), {}

    def export(precision="float32", raw_heads=False):
        key = precision, raw_heads
        if key not in paths:
            path = folder / f"{precision}_{raw_heads}.tflite"
            paths[key] = export_tflite(model, path, precision, drawn, top_k=TOP_K, raw_heads=raw_heads)
        return model, paths[key]

    return export
