"""Train, evaluate and export a small detector on built-in images, in a few minutes.

The whole way from images to a file for phones, on a data set that is drawn on the fly.
"""

import argparse

EXAMPLES = """example:
  keras-centernet demo --output runs/demo"""

BACKEND = "tensorflow"  # which exports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--output", default="runs/demo", help="folder for the results; replaced")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")


def run(args: argparse.Namespace) -> None:
    """Runs the demonstration."""
    from keras_centernet.runs.demo import demo

    demo(args.output, args.seed)
