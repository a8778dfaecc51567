"""Evaluates a detector: the same as `keras-centernet evaluate`."""

import sys

from keras_centernet.cli import main

if __name__ == "__main__":
    sys.exit(main(command="evaluate"))
