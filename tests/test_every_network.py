"""What must hold for every row of the table of networks: it trains, survives its file, and leaves the house."""

import gc

import keras
import numpy as np
import pytest

from keras_centernet import BACKBONES, CenterNet, load_dataset, load_model
from keras_centernet.exporting import agreement, export_tflite
from keras_centernet.progress import StopOnNonFiniteLoss

STEPS = 3
EVERY_DAY = ("resnet18",)


ROWS = [pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.slow) for name in BACKBONES]


@pytest.fixture(autouse=True)
def one_at_a_time():
    """Lets go of a network before the next one: the largest train with several GiB."""
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.fixture
def precision():
    """Sets the policy of a test and puts the old one back."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def sums(variables):
    """One number per variable that changes when it does."""
    return np.array([float(keras.ops.sum(variable * variable)) for variable in variables])


def detections(model, images):
    return {key: np.asarray(value) for key, value in model.detect_batch(images, top_k=20).items()}


@pytest.mark.parametrize("policy", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ROWS)
def test_trains_saves_and_detects_equal(name, policy, precision, tmp_path):
    precision(policy)
    keras.utils.set_random_seed(0)
    side = 2 * BACKBONES[name].multiple_of  # batch normalisation of two 1x1 maps lets gradients explode
    train = load_dataset("shapes", input_size=side, batch_size=2, limit=2 * STEPS)
    model = CenterNet(name, classes=train.classes, input_size=side)
    before = sums(model.trainable_variables)
    model.compile("adam")
    model.fit(train, verbose=0, callbacks=[StopOnNonFiniteLoss()])
    moved = before != sums(model.trainable_variables)
    assert all(np.all(np.isfinite(variable)) for variable in model.variables)
    assert np.mean(moved) > 0.95  # all but weights behind a ReLU that is shut in these images
    images = np.asarray(next(iter(train))[0])
    model.save(tmp_path / "model.keras")
    expected = detections(model, images)
    del model  # the largest do not fit twice beside what they trained with
    gc.collect()
    found = detections(load_model(tmp_path / "model.keras"), images)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_goes_to_tflite_with_its_decoding(name, tmp_path):
    side = max(64, BACKBONES[name].multiple_of)
    model = CenterNet(name, num_classes=3, input_size=side)
    path = export_tflite(model, tmp_path / "model.tflite", top_k=20)
    images = np.asarray(next(iter(load_dataset("shapes", "val", input_size=side, batch_size=1)))[0])
    worst = agreement(model, path, images, threshold=0)
    assert worst["detections"] == 20
    assert worst["score"] < 1e-4
