"""Exports a detector to a SavedModel: the same as `keras-centernet export --format saved_model`."""

import sys

from keras_centernet.cli import main

if __name__ == "__main__":
    sys.exit(main([*sys.argv[1:], "--format", "saved_model"], command="export"))
