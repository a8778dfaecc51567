"""Shared by the tests of exporting: one export of each precision, and small models of every task."""

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, load_dataset
from keras_centernet.exporting import export_tflite
from keras_centernet.tasks import TASKS
from tests.helpers.tiny_backbone import TINY

INPUT_HW = (64, 96)
MOBILE = "mobilenet_v3_small_minimalistic"
TOP_K = 20


@pytest.fixture(scope="session")
def drawn():
    """(100, 64, 96, 3) uint8 images of the built-in data set."""
    batches = load_dataset("shapes", input_size=INPUT_HW, batch_size=100, limit=100, training=False)
    return np.asarray(next(iter(batches))[0])


@pytest.fixture(scope="session")
def export_once(tiny_model, drawn, tmp_path_factory):
    """export_once(precision, raw_heads) -> (model, path): a mobile detector, written once per combination."""
    return exporter(tiny_model(MOBILE, input_size=INPUT_HW), drawn, tmp_path_factory.mktemp("exports"))


def exporter(model, drawn, folder):
    """Returns a function: (precision, raw_heads) -> (model, path) of its file, which is written once."""
    paths = {}

    def export(precision="float32", raw_heads=False):
        key = precision, raw_heads
        if key not in paths:
            path = folder / f"{precision}_{raw_heads}.tflite"
            paths[key] = export_tflite(model, path, precision, drawn, top_k=TOP_K, raw_heads=raw_heads)
        return model, paths[key]

    return export


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[] if name == "detection" else pytest.mark.slow) for name in TASKS],
)
def model_of_task(request):
    """One model per task, see `random_model`. It is shared by a module, because writing its files takes seconds."""
    return random_model(request.param)


def random_model(task):
    """Returns an untrained model whose maps differ from cell to cell and whose scores lie far apart."""
    keras.utils.set_random_seed(6)
    model = CenterNet(TINY, task=task, classes=("cat", "dög"), input_size=INPUT_HW)
    for head in model.task.heads:
        kernel = model.network.get_layer(head.name).kernel
        kernel.assign(np.random.default_rng(4).normal(0, 0.3, kernel.shape))
    return model


@pytest.fixture(scope="session")
def untrained():
    """A newly built model, whose scores are all about equal."""
    return CenterNet(TINY, classes=("cat", "dog"), input_size=INPUT_HW)


@pytest.fixture
def images(rng):
    """Images of several sizes: one to be halved twice, one enlarged, one upright, one of the input's size."""
    return [rng.integers(0, 256, (*size_hw, 3), np.uint8) for size_hw in ((270, 390), (31, 40), (131, 77), (64, 96))]
