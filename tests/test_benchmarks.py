"""Benchmarks in small: they run, and compare equal networks."""

import re

import pytest

from tests.helpers.processes import run_python

# {benchmark: (options that make it short, pattern of its last line)}
SMALL = {
    "decode": ("--rounds 3 --backbones mobile_nano", r"mobile_nano +[\d.]+ +[\d.]+ +0\.\d+"),
    "detect": ("--rounds 1", r"import keras_centernet, CenterNet: .* on top of import keras"),
    "predict": (
        "--backbone mobile_nano --side 64 --images 8",
        r"network and decoding .* frames/s; detect from disk .* frames/s; \d\.\d+",
    ),
    "memory": (
        "--backbone mobile_nano --input-size 64 --batch-size 2",
        r"mobile_nano at 64 px, batch 2: peak \d\.\d GiB",
    ),
    "input_pipeline": ("--input-size 64 --images 32 --passes 1 --rounds 1", r"ratio \d\.\d+ \(wanted: .*\)"),
}


@pytest.mark.slow
def test_the_networks_in_pytorch_are_ours():
    done = run_python("tests/helpers/torch_siblings.py", "resnet18", "dla34_plain", KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.exhaustive
def test_both_engines_train():
    """Without its optimisations XLA compiles in a third of the time."""
    options = ["--networks", "resnet18_plain", "--side", "64", "--batch", "2", "--steps", "1"]
    done = run_python("benchmarks/gpu.py", *options, XLA_FLAGS="--xla_backend_optimization_level=0")
    assert done.returncode == 0, done.stderr[-3000:]
    for engine in ("JAX", "PyTorch"):
        cells = rf"^resnet18_plain +{engine} +(\d+\.\d) +(\d+\.\d) +unknown +unknown +\d+\.\d  cpu$"
        line = re.search(cells, done.stdout, re.MULTILINE)
        assert line, done.stdout
        assert float(line[1]) == pytest.approx(2000 / float(line[2]), abs=0.06)


def test_a_row_shows_the_share_of_the_chips_peak():
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


@pytest.mark.slow
def test_the_table_of_mobile_networks_leaves_out_what_is_missing(tmp_path):
    code = """
import sys
sys.path.insert(0, "benchmarks")
import mobile
path = sys.argv[1] + "/file"
open(path, "wb").write(bytes(1500000))
ours = {"parameters": 1000, "gflops": 0.5, "files": {"onnx": path, "float16": path}, "ap": 0.59, "ap_int8": 0.58}
rows = {"ours": ours, "theirs": {"parameters": 2000, "gflops": 1.0, "files": {"onnx": path}, "ap": 0.55}}
mobile.print_costs(rows)
times = {("onnxruntime", "onnx", 2): {"ours": [2.0, 2.0, 9.0], "theirs": [4.0, 8.0, 9.0]},
         ("litert", "float16", 1): {"ours": [3.0, 3.0, 3.0]}, ("litert", "int8", 1): {}}
mobile.print_times(times, list(rows), "theirs")
mobile.draw_frontier(rows, times["onnxruntime", "onnx", 2], sys.argv[1] + "/frontier.png")
mobile.yolo_rows(mobile.parse(["--yolo-python", ""]), sys.argv[1])
print(mobile.take_turns(sys.executable, "litert", {"broken": path}, 1, 2))
"""
    done = run_python("-c", code, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    found = [line.split() for line in done.stdout.splitlines()]
    assert found[1] == ["ours", "1,000", "0.50", "1.50", "1.50", "0.590", "0.580"]
    assert found[2] == ["theirs", "2,000", "1.00", "1.50", "0.550"]
    assert ["onnxruntime", "2T", "2.00", "(0.50x)", "8.00", "(1.00x)"] in found
    assert ["litert", "float16", "1T", "3.00", "(1.00x)"] in found
    assert (
        "yolo26n, yolov8n: skipped, give a Python that has ultralytics by --yolo-python or YOLO_PYTHON" in done.stdout
    )
    assert "broken: skipped in litert, which did not run" in done.stdout
    assert (tmp_path / "frontier.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("command", "options", "lines"),
    [
        ("detections", "--count 30", [r"30 detections drawn: .* s, .* MiB more", "30 detections as JSON"]),
        ("images", "--count 8 --side 64", [r"after 1 images: \d+ MiB", "after 8 images"]),
        ("largest", "--megapixels 1", [r"\.jpg of 20000 x 50, .* MiB more at the peak", r"\.webp of 16000 x 62"]),
        ("headers", "--parts 500", ["an image .* ms, in the graph .* ms", "a BMP of 65000 x 65000"]),
        ("threads", "--count 3 --calls 2", ["detect: 3 threads, 6 calls, 0 differ", "SavedModel: .* 0 differ"]),
        pytest.param(
            "batches",
            "--sizes 0 4 --rounds 1",
            ["batch of 0: whole .* ms", "batch of 4: .* every fourth damaged .* ms"],
            marks=pytest.mark.exhaustive,
        ),
    ],
)
@pytest.mark.slow
def test_reliability_is_measured(command, options, lines):
    done = run_python("benchmarks/reliability.py", command, *options.split())
    assert done.returncode == 0, done.stderr[-3000:]
    for line in lines:
        assert re.search(line, done.stdout), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "decode" else pytest.mark.exhaustive) for name in SMALL]
)
def test_the_others_run_in_small(name):
    options, last_line = SMALL[name]
    done = run_python(f"benchmarks/{name}.py", *options.split())
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.fullmatch(last_line, done.stdout.strip().splitlines()[-1])
