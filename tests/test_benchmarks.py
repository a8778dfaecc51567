"""Benchmarks that this machine cannot run in earnest: they run at all, and compare what is alike."""

import re

import pytest

from tests.helpers.processes import run_python


@pytest.mark.slow
def test_the_networks_in_pytorch_are_ours():
    done = run_python("tests/helpers/torch_siblings.py", "resnet18", "dla34_plain", KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.exhaustive
def test_both_engines_train():
    """XLA compiles in a third of the time without its optimizations."""
    options = ["--networks", "resnet18_plain", "--side", "64", "--batch", "2", "--steps", "1"]
    done = run_python("benchmarks/gpu.py", *options, XLA_FLAGS="--xla_backend_optimization_level=0")
    assert done.returncode == 0, done.stderr[-3000:]
    for engine in ("JAX", "PyTorch"):
        cells = rf"^resnet18_plain +{engine} +(\d+\.\d) +(\d+\.\d) +unknown +unknown +\d+\.\d  cpu$"
        line = re.search(cells, done.stdout, re.MULTILINE)
        assert line, done.stdout
        assert float(line[1]) == pytest.approx(2000 / float(line[2]), abs=0.06)


def test_a_row_has_the_share_of_the_chips_peak():
    code = """
import sys
sys.path.insert(0, "benchmarks")
import gpu
found = {"first": 20.0, "seconds": 0.02, "memory": 3 * 2**30, "device": "NVIDIA H100 80GB HBM3"}
print(gpu.row(found, 0.1 * 989e12 * 0.02, 16))
print(gpu.row(found | {"device": "Some Card"}, 1e12, 16))
print(gpu.row({"failed": "out of memory"}, None, 16))
print(gpu.run("jax", "resnet18", 0.0))
"""
    lines = run_python("-c", code).stdout.splitlines()
    assert lines[0].split() == ["800.0", "20.0", "0.100", "3.00", "20.0", "NVIDIA", "H100", "80GB", "HBM3"]
    assert lines[1].split()[2] == "unknown"
    assert lines[2:] == ["out of memory", "{'failed': 'not run: 450 s are over'}"]


@pytest.mark.parametrize(
    ("command", "options", "lines"),
    [
        ("detections", "--count 30", [r"30 detections drawn: .* s, .* MiB more", "30 detections as JSON"]),
        ("images", "--count 8 --side 64", [r"after 1 images: \d+ MiB", "after 8 images"]),
        ("largest", "--megapixels 1", [r"\.jpg of 20000 x 50, .* MiB more at the peak", r"\.webp of 16000 x 62"]),
        ("headers", "--parts 500", ["an image .* ms, in the graph .* ms", "a BMP of 65000 x 65000"]),
        ("threads", "--count 3 --calls 2", ["detect: 3 threads, 6 calls, 0 differ", "SavedModel: .* 0 differ"]),
        ("batches", "--sizes 0 4 --rounds 1", ["batch of 0: whole .* ms", "batch of 4: .* every fourth damaged .* ms"]),
    ],
)
@pytest.mark.slow
def test_reliability_is_measured(command, options, lines):
    done = run_python("benchmarks/reliability.py", command, *options.split())
    assert done.returncode == 0, done.stderr[-3000:]
    for line in lines:
        assert re.search(line, done.stdout), done.stdout
