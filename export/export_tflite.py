"""Exports a detector to TFLite: the same as `keras-centernet export --format tflite`."""

import sys

from keras_centernet.cli import main

if __name__ == "__main__":
    sys.exit(main([*sys.argv[1:], "--format", "tflite"], command="export"))
