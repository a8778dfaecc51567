"""The `train` command on a tiny network, which also writes the weights that this process ends with.

TF_CONFIG=... python tests/helpers/one_worker.py WEIGHTS.npz OPTION...
"""

import json
import os
import sys

import keras
import numpy as np

from keras_centernet import CenterNet
from keras_centernet.cli import main
from tests.helpers.tiny_backbone import add_tiny_backbone

usual_fit = CenterNet.fit


class StopAfterTwo(keras.callbacks.Callback):
    """Stops the training after two epochs."""

    def on_epoch_end(self, epoch, logs=None):
        """Stops after the second epoch."""
        self.model.stop_training = epoch == 1


def fit(self, *args, **kwargs):
    """Trains, the first worker for two epochs at most, then writes the weights."""
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
        kwargs["callbacks"] = [StopAfterTwo(), *kwargs["callbacks"]]
    history = usual_fit(self, *args, **kwargs)
    np.savez(sys.argv[1], *(np.asarray(variable) for variable in self.network.variables))
    return history


if __name__ == "__main__":
    add_tiny_backbone()
    CenterNet.fit = fit
    sys.exit(main(["train", *sys.argv[2:]]))
