"""Networks for phones, boards and CPUs beside Ultralytics': latency, size, parameters, GFLOP, and AP of trained ones.

Run: python benchmarks/mobile.py [--networks mobile_nano,mobile_small] [--data bccd/ --model runs/mine/best.keras ...]
         [--yolo-python /path/to/venv/bin/python] [--ap yolo26n=0.558] [--plot frontier.png]

Every file runs in ONNX Runtime, OpenVINO or LiteRT in a process of its own (`mobile_engine.py`). For each engine,
precision and number of threads, all files take turns, and a ratio to --reference is the median of the ratios within a
round. Our files contain the decoding. Ultralytics' packages are no dependency: their files are written in a separate
environment (pip install ultralytics onnx onnxruntime openvino litert-torch), given by --yolo-python or YOLO_PYTHON.
Whatever is missing is skipped, and a line says so. OpenVINO also comes from that environment if this one has none. AP
(COCO's, on the validation split of --data) is measured for --model files in float32 and int8; --ap gives that of
others.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

HERE = pathlib.Path(__file__).parent
NETWORKS = "mobile_nano,mobile_small,mobile_medium,mobilenet_v2"
YOLO = "yolo26n,yolov8n"
# Engine -> the package that it comes with, and the files that it runs.
ENGINES = {
    "onnxruntime": ("onnxruntime", ("onnx",)),
    "openvino": ("openvino", ("onnx",)),
    "litert": ("ai_edge_litert", ("float32", "float16", "int8")),
}
THREADS = (1, 2)
CALLS = 5  # in a turn; only the fastest counts, so that other work of this machine disturbs less
CALIBRATION = 100  # images
COSTS = "{:16} {:>10} {:>7} {:>8} {:>8} {:>8} {:>8} {:>7} {:>8}"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=NETWORKS, help="untrained ones of the table, by comma; '' for none")
    parser.add_argument("--model", action="append", default=[], help="trained .keras file; may be repeated")
    parser.add_argument("--data", help="photos with labels: calibration and AP of --model")
    parser.add_argument("--yolo", default=YOLO, help="Ultralytics' networks or .pt files, by comma; '' for none")
    parser.add_argument("--yolo-python", default=os.environ.get("YOLO_PYTHON"), help="Python that has ultralytics")
    parser.add_argument(
        "--ap", action="append", default=[], metavar="NAME=VALUE", help="AP that was measured elsewhere"
    )
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--classes", type=int, default=3, help="of untrained networks")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--reference", default="yolo26n", help="whose time is 1; where it is missing, the first one")
    parser.add_argument("--plot", help="image file for AP against latency in ONNX Runtime, two threads")
    return parser.parse_args(arguments)


def main() -> None:
    """Prints the tables and draws the plot."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        rows = our_rows(options, pathlib.Path(folder)) | yolo_rows(options, folder)
        for name, value in (pair.split("=") for pair in options.ap):
            rows.get(name, {})["ap"] = float(value)
        print_costs(rows)
        times = {}
        for engine, (package, kinds) in ENGINES.items():
            python = python_with(package, options.yolo_python)
            if python is None:
                print(f"{engine}: skipped, no {package} here")
                continue
            for kind in kinds:
                for threads in THREADS:
                    files = {name: row["files"][kind] for name, row in rows.items() if kind in row["files"]}
                    times[engine, kind, threads] = take_turns(python, engine, files, threads, options.rounds)
    print_times(times, list(rows), options.reference)
    if options.plot:
        draw_frontier(rows, times.get(("onnxruntime", "onnx", THREADS[-1]), {}), options.plot)


def our_rows(options: argparse.Namespace, folder: pathlib.Path) -> dict:
    """Returns {name: costs and files} of networks of the table and of trained files."""
    from keras_centernet import CenterNet, load_model
    from keras_centernet.limits import check_side

    side = check_side("--size", options.size, 32)
    rows = {}
    for name in filter(None, options.networks.split(",")):
        rows[name] = write_ours(CenterNet(name, num_classes=options.classes, input_size=side), folder / name, options)
    for path in options.model:
        name = pathlib.Path(path).parent.name
        rows[name] = write_ours(load_model(path), folder / name, options, is_trained=True)
    return rows


def write_ours(model, folder: pathlib.Path, options: argparse.Namespace, is_trained: bool = False) -> dict:
    """Returns what a model costs, its files, and its AP if it is trained and there are data."""
    import numpy as np

    from keras_centernet import load_dataset
    from keras_centernet.exporting import PRECISIONS, export_onnx, export_tflite
    from keras_centernet.networks.build import build_network
    from keras_centernet.networks.cost import count_flops, count_parameters

    folder.mkdir()
    few = {"input_size": model.input_size, "batch_size": CALIBRATION, "limit": CALIBRATION, "training": False}
    images = np.asarray(next(iter(load_dataset(options.data or "shapes", **few)))[0])
    network = build_network(model.backbone_name, model.task, model.input_size)
    row = {"parameters": count_parameters(network), "gflops": count_flops(network) / 1e9, "files": {}}
    kinds = [kind for _, kinds in ENGINES.values() for kind in kinds if kind in PRECISIONS]
    for kind in kinds:
        path = export_tflite(model, folder / f"{kind}.tflite", kind, images, images=images[:1])
        row["files"][kind] = str(path)
    try:
        row["files"]["onnx"] = str(export_onnx(model, folder / "model.onnx", images=images[:1]))
    except ImportError as error:
        print(f"{folder.name}: no ONNX file ({error})")
    if is_trained and options.data:
        row |= measure_ap(model, row["files"]["int8"], options.data)
    return row


def measure_ap(model, int8_file: str, data: str) -> dict:
    """Returns the AP of a model and of its int8 file on the validation split."""
    from keras_centernet import evaluate, load_dataset
    from keras_centernet.exporting import TFLiteDetector

    val = {"split": "val", "classes": model.classes, "input_size": model.input_size, "training": False}
    detectors = {"ap": model, "ap_int8": TFLiteDetector(int8_file, THREADS[-1])}
    reports = {key: evaluate(one, load_dataset(data, **val), progress=False) for key, one in detectors.items()}
    return {key: report.main[1] for key, report in reports.items()}


def yolo_rows(options: argparse.Namespace, folder: str) -> dict:
    """Returns {name: costs and files} of Ultralytics' networks; without their environment, none, and prints a line."""
    names = list(filter(None, options.yolo.split(",")))
    if not names:
        return {}
    if not (options.yolo_python and has(options.yolo_python, "ultralytics")):
        print(f"{', '.join(names)}: skipped, give a Python that has ultralytics by --yolo-python or YOLO_PYTHON")
        return {}
    command = [options.yolo_python, str(HERE / "mobile_yolo.py"), str(options.size), folder, *map(absolute, names)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        print(f"{', '.join(names)}: skipped, {(done.stderr or 'no message').strip().splitlines()[-1]}")
        return {}
    *lines, found = done.stdout.splitlines()
    print(*(line for line in lines if ": no " in line), sep="\n", end="")
    return {pathlib.Path(name).stem: row for name, row in json.loads(found).items()}


def absolute(name: str) -> str:
    """Returns the absolute path of a .pt file, and other names unchanged."""
    return os.path.abspath(name) if name.endswith(".pt") else name


def has(python: str, package: str) -> bool:
    """Whether a Python has a package."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def python_with(package: str, other: str | None) -> str | None:
    """Returns this Python or the other one, the first that has a package, or None."""
    return next((python for python in (sys.executable, other) if python and has(python, package)), None)


def take_turns(python: str, engine: str, files: dict[str, str], threads: int, rounds: int) -> dict[str, list[float]]:
    """Returns {name: milliseconds of each round}, every file in a process of its own."""
    script = str(HERE / "mobile_engine.py")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    workers = {
        name: subprocess.Popen([python, script, engine, path, str(threads)], **pipes) for name, path in files.items()
    }
    for name in [name for name, worker in workers.items() if "ready\n" not in iter(worker.stdout.readline, "")]:
        print(f"{name}: skipped in {engine}, which did not run {files[name]}")
        workers.pop(name).wait()
    times = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            print(CALLS, file=worker.stdin, flush=True)
            times[name].append(min(map(float, worker.stdout.readline().split())))
    for worker in workers.values():
        worker.communicate()
    return times


def print_costs(rows: dict) -> None:
    """Prints the size, cost and AP of each network, a row each."""
    print(COSTS.format("", "parameters", "GFLOP", "MB onnx", "float32", "float16", "int8", "AP", "AP int8"))
    for name, row in rows.items():
        kinds = [kind for _, kinds in list(ENGINES.values())[1:] for kind in kinds]
        sizes = [f"{os.path.getsize(row['files'][kind]) / 1e6:.2f}" if kind in row["files"] else "" for kind in kinds]
        found = [f"{row[key]:.3f}" if key in row else "" for key in ("ap", "ap_int8")]
        print(COSTS.format(name, f"{row['parameters']:,}", f"{row['gflops']:.2f}", *sizes, *found), flush=True)


def print_times(times: dict, names: list[str], reference: str) -> None:
    """Prints medians in ms and the ratios to the reference, a row for each engine, precision and number of threads."""
    line = "{:24}" + " {:>16}" * len(names)
    print("\n" + line.format("ms (x reference)", *names))
    for (engine, kind, threads), found in times.items():
        base = found.get(reference) or next(iter(found.values()), None)
        cells = []
        for name in names:
            if name not in found:
                cells.append("")
                continue
            ratio = statistics.median(mine / other for mine, other in zip(found[name], base, strict=True))
            cells.append(f"{statistics.median(found[name]):.2f} ({ratio:.2f}x)")
        kind = "" if kind == "onnx" else kind
        print(line.format(f"{engine} {kind} {threads}T", *cells), flush=True)


def draw_frontier(rows: dict, times: dict[str, list[float]], path: str) -> None:
    """Draws AP against latency of the networks that have both; a line joins the best ones (the Pareto front)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    points = {
        name: (statistics.median(times[name]), row["ap"]) for name, row in rows.items() if name in times and "ap" in row
    }
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for is_ours, label in ((True, "keras_centernet"), (False, "Ultralytics")):
        group = sorted(point for name, point in points.items() if ("float16" in rows[name]["files"]) == is_ours)
        if group:
            axes.plot(*zip(*group, strict=True), "o" if is_ours else "s", label=label)
    ordered = sorted(points.values())
    best = [point for i, point in enumerate(ordered) if all(point[1] > faster[1] for faster in ordered[:i])]
    axes.plot(*zip(*best, strict=True), color="0.7", zorder=0)
    axes.margins(x=0.26, y=0.12)  # room for the names
    for name, point in points.items():
        axes.annotate(name, point, xytext=(6, -9), textcoords="offset points", fontsize=8)
    axes.set_xlabel("ms an image, ONNX Runtime, two threads")
    axes.set_ylabel("AP")
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
