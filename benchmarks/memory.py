"""Peak memory of training steps, and how long they take.

Run: python benchmarks/memory.py [--backbone dla34] [--input-size 512] [--batch-size 8] [--steps 2]
"""

import argparse
import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf

from keras_centernet import CenterNet, load_dataset


def main() -> None:
    """Trains a few steps on `shapes` and prints the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="dla34")
    parser.add_argument("--input-size", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    sizes = {"input_size": options.input_size, "batch_size": options.batch_size}
    train = load_dataset("shapes", "train", limit=options.batch_size, **sizes)
    model = CenterNet(options.backbone, input_size=options.input_size)  # COCO's 80 classes, as published
    model.compile()
    batch = next(iter(train))
    step = tf.function(model.train_step)
    for _ in range(options.steps):
        start = time.perf_counter()
        loss = float(step(batch)["loss"])
        print(f"step of {options.batch_size} images: {time.perf_counter() - start:.1f} s, loss {loss:.2f}", flush=True)
        assert np.isfinite(loss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{options.backbone} at {options.input_size} px, batch {options.batch_size}: peak {peak:.1f} GiB")


if __name__ == "__main__":
    main()
