"""What each precision of a TFLite export costs: size, latency and agreement with Keras.

Precisions take turns in every round, so that changes of the machine's load affect all of them, and ratios are medians
of the ratios within a round.

Run: python benchmarks/export.py --model runs/demo/best.keras [--calibration photos/] [--rounds 15] [--threads 2]
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

from keras_centernet import load_dataset, load_model
from keras_centernet.exporting import PRECISIONS, TFLiteDetector, export_tflite, verify
from keras_centernet.exporting.tflite.calibration import calibration_images

DRAWN = 100  # images, if no folder is given
COMPARED = 16
CALLS = 3  # in a round
LINE = "{:10} {:>8} {:>9} {:>7}  {:>6} {:>7} {:>9} {:>8} {:>8}"


def read_images(source: str | None, input_hw: tuple[int, int]) -> np.ndarray:
    """Returns (N, H, W, 3) uint8 inputs of a folder, or of the built-in data set."""
    if source:
        return calibration_images(source, input_hw)
    drawn = load_dataset("shapes", input_size=input_hw, batch_size=DRAWN, limit=DRAWN, training=False)
    return calibration_images(np.asarray(next(iter(drawn))[0]), input_hw)


def milliseconds(detector: TFLiteDetector, image: np.ndarray) -> float:
    """Returns the time of one image, decoding included."""
    start = time.perf_counter()
    for _ in range(CALLS):
        detector.run(image)
    return 1000 * (time.perf_counter() - start) / CALLS


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="trained .keras file")
    parser.add_argument("--calibration", help="folder of images; default: drawn ones")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    model = load_model(args.model)
    images = read_images(args.calibration, model.input_size)
    reports, detectors = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in PRECISIONS:
            path = export_tflite(model, pathlib.Path(folder, f"{name}.tflite"), name, images, images=images[:1])
            reports[name] = verify(model, path, images[-COMPARED:], precision=name)
            detectors[name] = TFLiteDetector(path, args.threads)
    times = {name: [] for name in detectors}
    for turn in range(args.rounds + 1):
        for name, detector in detectors.items():
            took = milliseconds(detector, images[0])
            if turn:  # the first one warms caches
                times[name].append(took)
    first = next(iter(times))
    height, width = model.input_size
    print(f"{model.get_config()['backbone']}, {height}x{width}, {args.threads} threads, {args.rounds} rounds")
    print(LINE.format("", "MB", "ms", "ratio", "found", "missed", "px", "score", "IoU"))
    for name, report in reports.items():
        found = report["agreement"]
        ratio = statistics.median(mine / base for mine, base in zip(times[name], times[first], strict=True))
        print(
            LINE.format(
                name,
                f"{report['size_bytes'] / 1e6:.2f}",
                f"{statistics.median(times[name]):.2f}",
                f"{ratio:.2f}",
                found["detections"],
                found["missed"],
                f"{found['box_pixels']:.3f}",
                f"{found['score']:.4f}",
                f"{found['mean_iou']:.4f}",
            )
        )


if __name__ == "__main__":
    main()
