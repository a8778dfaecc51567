"""Log lines of libraries are kept from stderr; everything else is shown."""

import subprocess
import sys

import pytest

from keras_centernet.terminal.quiet import without_logs

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "fully_quantize: 0, inference_type: 6, input_inference_type: INT8, output_inference_type: INT8",
    "I0000 00:00:1795944008.584666   19008 port.cc:153] oneDNN custom operations are on.",
    "W0000 00:00:1795944008.584666   19008 gpu_device.cc:2341] Cannot dlopen some GPU libraries.",
    "E0000 00:00:1795944024.366133   19008 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
    "E0000 00:00:1795964518.275750   29724 util.cc:131] oneDNN supports DT_UINT8 only on platforms with AVX-512.",
    "2025-01-02 10:11:12.131415: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary",
]
WORDS = [
    "F0000 00:00:1795944024.366133   19008 check.cc:1] Check failed: x",
    "E0000 00:00:1795944024.366133   19008 cuda_blas.cc:1] out of memory",
    "Image is damaged",
    "fully_quantize: failed",
]
PROGRAM = """
import os, sys
from keras_centernet.terminal.quiet import without_logs
with without_logs(sys.argv[1] == "wanted"):
    for line in sys.argv[3:]:
        os.write(2, (line + "\\n").encode())
    print("of Python", file=sys.stderr)
    if sys.argv[2] == "dies":
        os.abort()
print("behind", file=sys.stderr)
"""


def run(*arguments):
    command = [sys.executable, "-c", PROGRAM, *arguments, *NOISE, *WORDS]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()


@pytest.mark.parametrize("end", ["ends", "dies"])
def test_log_lines_are_hidden_and_other_lines_are_shown(end):
    said = run("unwanted", end)
    assert sorted(said) == sorted([*WORDS, "of Python", *(["behind"] if end == "ends" else [])])


def test_logs_are_shown_when_wanted():
    assert run("wanted", "ends") == [*NOISE, *WORDS, "of Python", "behind"]


def test_nothing_changes_once_tensorflow_is_imported():
    import tensorflow  # noqa: F401

    before = sys.stderr
    with without_logs(False):
        assert sys.stderr is before
