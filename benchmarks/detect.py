"""What a call of `model.detect` costs beside `model.detect_batch` and `model.predict`, and what the import costs.

Run: python benchmarks/detect.py [--rounds 9]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

from keras_centernet import CenterNet


def milliseconds(function) -> float:
    """Returns how long one call takes."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def import_seconds(code: str) -> float:
    """Returns how long a fresh interpreter takes for some imports."""
    timed = f"import time; import keras; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    model = CenterNet("mobilenet_v3_small", num_classes=3, input_size=128)
    photo = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    batch = photo[None, :128, :128]
    calls = {
        "detect_batch": lambda: model.detect_batch(batch)["scores"].numpy(),
        "detect": lambda: model.detect([photo]),
        "predict": lambda: model.predict(batch, verbose=0),
    }
    times = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            took = milliseconds(call)
            if turn:  # the first one traces
                times[name].append(took)
    for name, values in times.items():
        print(f"{name:14} {statistics.median(values):8.1f} ms (mobilenet_v3_small, 128 px)")
    added = statistics.median(import_seconds("import keras_centernet; keras_centernet.CenterNet") for _ in range(3))
    print(f"import keras_centernet, CenterNet: {added:.3f} s on top of import keras")


if __name__ == "__main__":
    main()
