"""Every row of the table of networks trains in both precisions, survives its file and goes to TFLite."""

import pathlib
import subprocess
import sys

import pytest

from keras_centernet import BACKBONES

FEW = ("dla34_plain", "mobile_small")  # one for a server and one for a phone; all networks take an hour
ROWS = [pytest.param(name, marks=pytest.mark.slow if name in FEW else pytest.mark.exhaustive) for name in BACKBONES]


@pytest.mark.parametrize("name", ROWS)
def test_a_network_trains_detects_the_same_from_its_file_and_exports_to_tflite(name, tmp_path):
    script = pathlib.Path(__file__).parents[1] / "helpers" / "one_network.py"
    result = subprocess.run([sys.executable, str(script), name, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    for path in tmp_path.iterdir():  # the largest files would fill the disk
        path.unlink()
