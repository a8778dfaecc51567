"""Times networks and the deformable layer beside their references, taking turns in one run.

Run: python benchmarks/networks.py [layers|networks|all] [--threads 2] [--size 512] [--rounds 7]

layers    the deformable layer (with the convolution that predicts its offsets) against a plain 3x3
          convolution of the same size: forward, and forward with all gradients.
networks  graphs with the weights as constants, for one image: time, rate against this machine's float32
          matrix product, and the time of PyTorch with the same network if it is installed.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops
from keras_centernet.networks.layers import DeformableConv2D
from keras_centernet.networks.table import BACKBONES
from keras_centernet.tasks import COCO_CLASSES, TASKS

# (input channels, output channels, side of the map) of deformable layers in dla34 and resnet18 at 512 pixels.
LAYERS = [(64, 64, 128), (128, 64, 128), (128, 64, 64), (128, 128, 64), (256, 128, 32), (256, 64, 32), (512, 256, 16)]
NETWORKS = "dla34_plain,dla34,dla34_v0,resnet18_plain,resnet18,resnet101_plain,mobilenet_v2"
MATRIX_SIDE = 2048


def main() -> None:
    """Parses the options and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("layers", "networks", "all"), default="all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--networks", default=NETWORKS)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    if options.what in ("layers", "all"):
        compare_layers(options.rounds)
    if options.what in ("networks", "all"):
        compare_networks(options)


def compare_layers(rounds: int) -> None:
    """Prints one line per size of layer."""
    print(
        f"{'layer':>14} {'plain ms':>9} {'deformable':>10} {'ratio':>6} | {'with gradients':>14} {'':>10} {'ratio':>6}"
    )
    for channels, filters, side in LAYERS:
        image = tf.random.normal((1, side, side, channels))
        layers = [keras.layers.Conv2D(filters, 3, padding="same"), DeformableConv2D(filters)]
        for layer in layers:
            layer(image)
        layers[1].offset_kernel.assign(tf.random.normal(layers[1].offset_kernel.shape, stddev=0.02))
        calls = [compiled(layer, image) for layer in layers] + [with_gradients(layer, image) for layer in layers]
        plain, deformable, plain_both, deformable_both = medians(calls, rounds)
        print(
            f"{channels:>4}-{filters:<3}@{side:<4} {plain:9.1f} {deformable:10.1f} {deformable / plain:5.2f}x "
            f"| {plain_both:14.1f} {deformable_both:10.1f} {deformable_both / plain_both:5.2f}x"
        )


def compare_networks(options: argparse.Namespace) -> None:
    """Prints one line per network, then the ratio of each network to its plain sibling."""
    task, size = TASKS["detection"].build(COCO_CLASSES), options.size
    matrix = tf.random.normal((MATRIX_SIDE, MATRIX_SIDE))
    multiply = tf.function(lambda: tf.matmul(matrix, matrix))
    image = tf.random.normal((1, size, size, 3))
    columns = ("GFLOP", "ms", "GFLOP/s", "of matmul", "PyTorch ms", "ours / PyTorch")
    print(f"\n{'network':20}", *(f"{column:>14}" for column in columns))
    times = {}
    for name in options.networks.split(","):
        network = build_network(name, task, input_hw=(size, size))
        flops = count_flops(network)
        calls = [
            frozen(network, image),
            lambda: multiply().numpy(),
            *torch_calls(name, network, image, options.threads),
        ]
        network_ms, matmul_ms, *torch_ms = medians(calls, options.rounds)
        times[name] = network_ms
        rate, limit = flops / network_ms / 1e6, 2 * MATRIX_SIDE**3 / matmul_ms / 1e6
        figures = [f"{flops / 1e9:.1f}", f"{network_ms:.1f}", f"{rate:.0f}", f"{rate / limit:.2f}"]
        figures += [f"{min(torch_ms):.1f}", f"{network_ms / min(torch_ms):.2f}"] if torch_ms else []
        print(f"{name:20}", *(f"{figure:>14}" for figure in figures), flush=True)
    for name in times:
        if f"{name}_plain" in times:
            print(f"{name} / {name}_plain: {times[name] / times[f'{name}_plain']:.2f}")


def compiled(layer, image):
    """Returns a call of the layer in a graph."""
    run = tf.function(lambda: layer(image))
    return lambda: run().numpy()


def with_gradients(layer, image):
    """Returns a call of the layer and of its gradients for image and weights in a graph."""

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = tf.reduce_sum(layer(image))
        return tape.gradient(loss, [image, *(weight.value for weight in layer.trainable_weights)])

    return lambda: run()[0].numpy()


def frozen(network, image):
    """Returns a call of the network with its weights as constants, which lets TensorFlow fold the normalisations."""
    run = tf.function(lambda images: tf.nest.flatten(network(images, training=False)))
    graph = convert_variables_to_constants_v2(run.get_concrete_function(tf.TensorSpec(image.shape)))
    return lambda: [tensor.numpy() for tensor in graph(image)]


def torch_calls(name: str, network, image, threads: int) -> list:
    """Returns calls of the same network in PyTorch, in both memory layouts; none if it cannot be compared."""
    try:
        import torch
    except ImportError:
        return []
    if BACKBONES[name].deformable or BACKBONES[name].load_imagenet:
        return []
    from torch_network import TorchNetwork

    torch.set_num_threads(threads)
    theirs = torch.inference_mode()(TorchNetwork(network).eval())
    images = torch.tensor(image.numpy().transpose(0, 3, 1, 2).copy())
    ours = frozen(network, image)()
    for mine, other in zip(ours, theirs(images), strict=True):
        difference = np.abs(mine - other.numpy().transpose(0, 2, 3, 1)).max()
        assert difference < 1e-3 * np.abs(mine).max(), f"{name}: PyTorch's result differs by {difference}"
    channels_last = images.to(memory_format=torch.channels_last)
    return [lambda: theirs(images), lambda: theirs(channels_last)]


def medians(calls: list, rounds: int) -> list[float]:
    """Returns the median milliseconds of each call; calls take turns, and the first round (tracing) does not count."""
    times = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, values in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn:
                values.append(1000 * (time.perf_counter() - start))
    return [statistics.median(values) for values in times]


if __name__ == "__main__":
    main()
