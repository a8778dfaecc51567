"""How long decoding in a graph takes compared with the network, at 512 px and 80 classes.

Run: python benchmarks/decode.py [--backbones mobilenet_v2,resnet18_plain] [--rounds 7]

The network alone and the decoding alone take turns; the medians and their ratio are printed.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf

from keras_centernet import CenterNet
from keras_centernet.method.decode import decode


def seconds(function, *inputs) -> float:
    """Returns how long one call takes."""
    start = time.perf_counter()
    tf.nest.map_structure(lambda tensor: tensor.numpy(), function(*inputs))
    return time.perf_counter() - start


def main() -> None:
    """Prints one line per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", default="mobilenet_v2,resnet18_plain")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (1, 512, 512, 3), np.uint8))
    print(f"{'network':20} {'network ms':>10} {'decode ms':>10} {'decode / network':>17}")
    for name in args.backbones.split(","):
        model = CenterNet(name, input_size=512)
        network = tf.function(lambda batch, model=model: model(batch, training=False))
        decoding = tf.function(lambda maps, task=model.task: decode(task, maps))
        maps = network(image)
        decoding(maps)
        times = {"network": [], "decode": []}
        for _ in range(args.rounds):
            times["network"].append(seconds(network, image))
            times["decode"].append(seconds(decoding, maps))
        network_ms, decode_ms = (1000 * statistics.median(values) for values in times.values())
        print(f"{name:20} {network_ms:10.1f} {decode_ms:10.2f} {decode_ms / network_ms:17.3f}")


if __name__ == "__main__":
    main()
