"""Exports a detector for Coral's Edge TPU: the same as `keras-centernet export --format edgetpu`."""

import sys

from keras_centernet.cli import main

if __name__ == "__main__":
    sys.exit(main([*sys.argv[1:], "--format", "edgetpu"], command="export"))
