"""The networks on PyTorch, which forbids dots in the names of modules and parameters."""

import pytest

from tests.helpers.processes import run_python

BUILDS = """
import sys
from keras_centernet import CenterNet
network = CenterNet("resnet18_plain", input_size=64).network
names = [name for name, _ in network.named_parameters()]
assert len(names) == len(set(names)) == len(network.variables), names
assert network.get_layer("layer1.0.conv1").kernel.path == "layer1.0.conv1/kernel"
"""
TRAINS = """
import sys
import keras
import numpy as np
from keras_centernet import CenterNet, load_model
from tests.helpers.step_cases import batch
name, task, path = sys.argv[1:]
keras.utils.set_random_seed(1)
_, objects = batch("detection")
images = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8)
model = CenterNet(name, task, num_classes=3 if task == "detection_3d" else 2, input_size=64)
model.compile(average_decay=0.9)
before = [keras.ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables]
losses = model.fit(images, objects, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"]
after = map(keras.ops.convert_to_numpy, model.trainable_variables)
assert losses[1] < losses[0], losses
assert np.mean([np.any(old != new) for old, new in zip(before, after, strict=True)]) > 0.95
assert np.all(np.isfinite(model.evaluate(images, objects, batch_size=4, verbose=0)))
model.save(path)
found = [one.detect(list(images), threshold=0.0) for one in (model, load_model(path))]
for ours, loaded in zip(*found, strict=True):
    np.testing.assert_array_equal(ours.boxes_xyxy, loaded.boxes_xyxy)
    np.testing.assert_array_equal(ours.scores, loaded.scores)
"""


def succeed(*arguments):
    done = run_python("-c", *arguments, KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_layers_keep_the_published_names():
    succeed(BUILDS)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        pytest.param("mobilenet_v2", "detection", marks=pytest.mark.slow),
        pytest.param("resnet18", "detection_3d", marks=pytest.mark.exhaustive),
        pytest.param("dla34", "pose", marks=pytest.mark.exhaustive),
        pytest.param("resnet18_plain", "detection", marks=pytest.mark.exhaustive),
    ],
)
def test_trains_measures_detects_saves_and_loads(name, task, tmp_path):
    succeed(TRAINS, name, task, str(tmp_path / "model.keras"))
