"""What each network can be exported to: each file is written, run in its runtime and compared with the model.

Networks are untrained, with an input of 64 pixels or the smallest that they take. Files of float32 must give the
model's own raw heads. For others the table only says how near they come, which untrained weights hardly show.
"edgetpu" is the network's int8 file, all operators of which must be in Coral's list; nothing is compiled.

Run: python benchmarks/exports.py [NETWORK ...] [--only int8 --only onnx]; exits with 1 if a result differs from the
`exports` of the network's row.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_centernet import BACKBONES, CenterNet, UserError, load_dataset
from keras_centernet.exporting.agreement import compare
from keras_centernet.exporting.table import EXPORTS, FORMATS

SIDE = 64
CALIBRATION = 100  # images
IMAGES = 2  # that are compared
SAME, SAME_SCORE = 0.9999, 1e-3
LOSSY = ("float16", "dynamic", "int8", "edgetpu")  # only trained weights show what these cost
SPREADS = {"center_heatmap": 0.05, "size": 0.02, "offset": 0.02}  # of kernels, so that scores all differ
LINE = "{:32} {:12} {:>6}  {:4} {}"


def build(name: str) -> CenterNet:
    """Returns an untrained detector whose maps differ from cell to cell."""
    keras.utils.set_random_seed(0)
    model = CenterNet(name, num_classes=3, input_size=max(SIDE, BACKBONES[name].multiple_of))
    for i, (head, spread) in enumerate(SPREADS.items()):
        kernel = model.network.get_layer(head).kernel
        kernel.assign(keras.random.normal(kernel.shape, stddev=spread, seed=i))
    return model


def try_export(model: CenterNet, key: str, images: np.ndarray) -> tuple[bool, str]:
    """Returns whether a file was written, ran and agrees with the model, and how well it agrees or what went wrong."""
    export = EXPORTS[key]
    row, options = FORMATS[export.format], export.options | ({"calibration": images} if export.is_calibrated else {})
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"detector{row.ending}")
        try:
            row.write(model, path, **options)
            (file,) = pathlib.Path(folder).iterdir()
            found = compare(model, row.open(file, model), list(images[:IMAGES]), 0)
        except UserError as error:
            return False, str(error)
    heads = min(found.get("heads", {"": 1.0}).values())
    is_same = heads > SAME and found["score"] < SAME_SCORE
    return key in LOSSY or is_same, f"correlation of heads {heads:.4f}, scores to {found['score']:.2g}"


def main() -> int:
    """Prints a line per network and format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(BACKBONES), metavar="NETWORK")
    parser.add_argument("--only", action="append", choices=EXPORTS, help="may be repeated; default: all")
    args = parser.parse_args()
    differing = 0
    for name in args.networks:
        model = build(name)
        size = {"input_size": model.input_size, "batch_size": CALIBRATION, "limit": CALIBRATION}
        images = np.asarray(next(iter(load_dataset("shapes", training=False, **size)))[0])
        for key in args.only or EXPORTS:
            start = time.perf_counter()
            is_right, told = try_export(model, key, images)
            differing += is_right != (key in BACKBONES[name].exports)
            seconds = f"{time.perf_counter() - start:.0f} s"
            print(LINE.format(name, key, seconds, "yes" if is_right else "no", told), flush=True)
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
