"""Train, evaluate and export a small detector on built-in images, in a few minutes.

The whole way from images to a file for phones, on a data set that is drawn on the fly.
"""

import argparse

from keras_centernet.cli.arguments import add_output_argument, add_rows, choose_output

EXAMPLES = """example:
  keras-centernet demo --output runs/demo"""

DEFAULT = "runs/demo"
BACKEND = "tensorflow"  # the one that exports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_output_argument(parser, DEFAULT, "folder for the results")
    add_rows(parser, ("seed", "overwrite"))


def run(args: argparse.Namespace) -> None:
    """Runs the demonstration."""
    from keras_centernet.runs.demo import demo

    demo(choose_output(args.output, DEFAULT), args.seed, args.overwrite)
