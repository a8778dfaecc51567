"""What users do with a model on JAX and on PyTorch; `fitting/test_backends.py` compares the numbers."""

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, load_model
from tests.helpers import moved_model
from tests.helpers.processes import run_python
from tests.helpers.rounding import shake
from tests.helpers.step_cases import batch
from tests.helpers.tiny_backbone import TINY

IMPORTS = """
import sys
import warnings
import numpy as np
import keras_centernet
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone
add_tiny_backbone()
folder = sys.argv[1]
model = keras_centernet.load_model(folder + "/model.keras")
model.detect([np.zeros((40, 60, 3), "uint8")])
with warnings.catch_warnings():
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", ".*__array__ implementation doesn't accept a copy keyword.*")  # Keras' own
    found = model.predict(np.load(folder + "/images.npy"), batch_size=2, verbose=0)
np.savez(folder + "/found.npz", **found)
assert "tensorflow" not in sys.modules
"""
EXPORT = """
import sys
import keras
from keras_centernet import CenterNet, UserError
keras.utils.set_random_seed(0)
model = CenterNet("mobilenet_v3_small_minimalistic", num_classes=2, input_size=64)
path = model.export(sys.argv[1] + "/detector.tflite", precision="float32")
print("at", path)
try:
    model.export(sys.argv[1] + "/detector.xyz")
except UserError as error:
    print("refused:", error)
"""


def succeed(*arguments, **environment):
    done = run_python(*arguments, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_machine_without_tensorflow(tmp_path):
    succeed("tests/helpers/without_tensorflow.py", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_detecting_and_predicting_work_without_tensorflow_and_find_the_same(backend, tiny_model, tmp_path, rng):
    model, images = tiny_model(), rng.integers(0, 256, (3, 64, 64, 3), np.uint8)
    bias = model.network.get_layer("center_heatmap").bias
    bias.assign(bias + 2)  # otherwise no score reaches the threshold of `predict`
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    succeed("-c", IMPORTS, str(tmp_path), KERAS_BACKEND=backend)
    found, expected = dict(np.load(tmp_path / "found.npz")), model.predict(images, batch_size=2, verbose=0)
    assert found.keys() == expected.keys()
    assert expected["num_detections"].min() > 0
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-3, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_detecting_needs_only_keras_its_backend_numpy_and_opencv(backend, tmp_path):
    succeed("tests/helpers/detecting_only.py", backend, str(tmp_path))


@pytest.mark.parametrize(
    "backend", [pytest.param("jax", marks=pytest.mark.slow), pytest.param("torch", marks=pytest.mark.exhaustive)]
)
def test_a_model_of_another_backend_is_exported_by_a_separate_process(backend, tmp_path):
    said = succeed("-c", EXPORT, str(tmp_path), KERAS_BACKEND=backend)
    assert (tmp_path / "detector.tflite").stat().st_size > 100_000
    assert "refused: " in said
    assert "expected one of these suffixes: .tflite" in said


def spread_maps(model, images):
    """Makes maps vary from cell to cell, so that rounding swaps no peaks: norms get these images' statistics."""
    for _ in range(60):
        model.network(model.normalize(images), training=True)
    random = np.random.default_rng(2)
    for head in model.task.heads:
        kernel = model.network.get_layer(head.name).kernel
        kernel.assign(random.normal(0, 0.3, kernel.shape))


def with_rounding(model, compute):
    """Returns what a function computes, {name: array}, and how much rounding of the weights changes it at most."""
    start = model.get_weights()
    values, others = compute(), []
    for seed in range(3):
        model.set_weights(shake(start, seed))
        others.append(compute())
    model.set_weights(start)
    return values, {name: max(np.abs(other[name] - value).max() for other in others) for name, value in values.items()}


MOVED = {  # network, task
    "quick": (TINY, "detection"),
    "mobilenet_v2": ("mobilenet_v2", "detection"),
    "deformable": ("resnet18", "detection"),
    "pose": ("resnet18_plain", "pose"),
    "detection_3d": ("mobilenet_v2", "detection_3d"),
}


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize(
    "case",
    [
        pytest.param("quick", marks=pytest.mark.slow),
        *(pytest.param(case, marks=pytest.mark.exhaustive) for case in list(MOVED)[1:]),
    ],
)
def test_a_file_moves_to_another_backend_and_back(case, backend, tmp_path):
    """The model detects the same there and can be trained there. A file saved there detects the same here."""
    network, task = MOVED[case]
    images, objects = batch(task)
    keras.utils.set_random_seed(1)
    model = CenterNet(network, task, num_classes=3 if task == "detection_3d" else 2, input_size=images.shape[1:3])
    spread_maps(model, images)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "batch.npz", images=images, **objects)
    succeed("-m", "tests.helpers.moved_model", str(tmp_path), KERAS_BACKEND=backend)
    found, trained = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("found", "trained"))
    expected, rounding = with_rounding(model, lambda: moved_model.detect(model, images))
    for name, values in expected.items():
        least = 1e-5 if name == "scores" else 1e-4
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=max(least, 3 * rounding[name]), err_msg=name)
    for name, values in moved_model.detect(load_model(tmp_path / "again.keras"), images).items():
        np.testing.assert_array_equal(values, expected[name])
    model.compile("sgd", color_augmentation=False)
    fit = {"x": images, "y": objects, "batch_size": len(images), "epochs": 1, "verbose": 0}
    losses, rounding = with_rounding(model, lambda: {k: np.array(v) for k, v in model.fit(**fit).history.items()})
    for name, values in losses.items():  # batch statistics of four cells enlarge rounding
        np.testing.assert_allclose(trained[name], values, rtol=1e-3, atol=3 * rounding[name], err_msg=name)
    assert np.isfinite(trained["val_loss"])
