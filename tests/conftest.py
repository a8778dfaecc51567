"""What all tests share."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def fixture():
    """Returns a function: name -> dict of arrays that the published implementation computed."""
    return lambda name: dict(np.load(FIXTURES / f"{name}.npz"))


@pytest.fixture
def rng():
    """A seeded source of random arrays."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def tiny_model():
    """Returns a function that builds a small untrained detector of two classes whose scores all differ."""
    import keras

    from keras_centernet import CenterNet

    def build(backbone="mobilenet_v3_small_minimalistic", **options):
        keras.utils.set_random_seed(3)
        model = CenterNet(backbone, **{"classes": ("cat", "dog"), "input_size": 64} | options)
        for head, spread in (("center_heatmap", 1.0), ("size", 0.5), ("offset", 0.5)):
            kernel = model.network.get_layer(head).kernel
            kernel.assign(keras.random.normal(kernel.shape, stddev=spread))
        return model

    return build


@pytest.fixture
def batch():
    """Two 64-pixel images with one and two objects, as `load_dataset` yields them."""
    source = np.random.default_rng(5)
    boxes, mask = np.zeros((2, 8, 4), "float32"), np.zeros((2, 8), bool)
    boxes[0, 0], boxes[1, 0], boxes[1, 1] = (4, 8, 36, 44), (0, 0, 20, 30), (24, 20, 60, 60)
    mask[0, 0] = mask[1, :2] = True
    classes = np.zeros((2, 8), "int32")
    classes[1, 1] = 1
    images = source.integers(0, 256, (2, 64, 64, 3), np.uint8)
    return images, {"boxes_xyxy": boxes, "classes": classes, "mask": mask}
