"""What a user does with a model on JAX and on PyTorch; `fitting/test_backends.py` compares the numbers."""

import pytest

from tests.helpers.processes import run_python

IMPORTS = """
import sys
import keras_centernet
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone
add_tiny_backbone()
model = keras_centernet.CenterNet(TINY, num_classes=2, input_size=64)
model.detect([__import__("numpy").zeros((40, 60, 3), "uint8")])
assert "tensorflow" not in sys.modules
"""
EXPORT = """
import sys
from keras_centernet import CenterNet, UserError
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone
add_tiny_backbone()
model = CenterNet("mobilenet_v3_small_minimalistic", num_classes=2, input_size=64)
path = model.export(sys.argv[1] + "/detector.tflite", precision="float16")
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


def test_a_machine_without_tensorflow(tmp_path):
    succeed("tests/helpers/without_tensorflow.py", str(tmp_path))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_importing_building_and_detecting_leave_tensorflow_alone(backend):
    succeed("-c", IMPORTS, KERAS_BACKEND=backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_model_of_another_backend_is_exported_by_a_process_of_its_own(backend, tmp_path):
    said = succeed("-c", EXPORT, str(tmp_path), KERAS_BACKEND=backend)
    assert (tmp_path / "detector.tflite").stat().st_size > 100_000
    assert "refused: " in said
    assert "expected one of these suffixes: .tflite" in said
