"""Frames per second of `model.detect` on files on disk, beside those of the bare network with its decoding.

Run: python benchmarks/predict.py [--backbone mobilenet_v2] [--side 320] [--images 128] [--batch-size 8]
"""

import argparse
import os
import pathlib
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from keras_centernet import CenterNet
from keras_centernet.drawing import write_image


def frames_per_second(function, frames: int, rounds: int = 3) -> float:
    """Returns the frames per second of the best of some rounds, after one that traces."""
    function()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return frames / min(times)


def main() -> None:
    """Prints both figures and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    args = parser.parse_args()
    model = CenterNet(args.backbone, num_classes=80, input_size=args.side)
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (args.batch_size, args.side, args.side, 3), np.uint8)
    count = args.images // args.batch_size * args.batch_size
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
            write_image(coarse.repeat(40, axis=0).repeat(40, axis=1), pathlib.Path(folder, f"{i:05d}.jpg"))

        def bare():
            for _ in range(count // args.batch_size):
                np.asarray(model.detect_batch(batch)["scores"])

        def from_disk():
            for _ in model.detect(folder, stream=True, batch_size=args.batch_size):
                pass

        network = frames_per_second(bare, count)
        whole = frames_per_second(from_disk, count)
    print(f"{args.backbone}, {args.side} px, batches of {args.batch_size}, 640 x 480 JPEG files:")
    print(f"network and decoding {network:.1f} frames/s; detect from disk {whole:.1f} frames/s; {whole / network:.2f}")


if __name__ == "__main__":
    main()
