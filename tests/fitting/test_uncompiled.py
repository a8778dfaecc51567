"""Saving a model without its optimizer in the middle of a training that continues."""

import keras
import numpy as np
import pytest

from keras_centernet import load_model
from keras_centernet.fitting.uncompiled import uncompiled


class SaveEveryEpoch(keras.callbacks.Callback):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        self.model.save(self.folder / "all.keras")
        with self.model.averaged(), uncompiled(self.model):
            self.model.save(self.folder / "use.keras")


@pytest.fixture(scope="module")
def batch():
    from keras_centernet import load_dataset

    return load_dataset("shapes", split="train", input_size=64, batch_size=2).take(1).cache()


def trained(tiny_model, batch, callbacks):
    keras.utils.set_random_seed(0)
    model = tiny_model("mobilenet_v3_small_minimalistic", classes=("circle", "square", "triangle", "star"))
    model.compile("adam", average_decay=0.9, color_augmentation=False)
    return model, model.fit(batch, epochs=2, verbose=0, callbacks=callbacks).history["loss"]


@pytest.mark.slow
def test_the_file_is_less_than_half_as_large_and_training_continues_unchanged(tiny_model, batch, tmp_path):
    model, losses = trained(tiny_model, batch, [SaveEveryEpoch(tmp_path)])
    assert losses == trained(tiny_model, batch, [])[1]
    assert (tmp_path / "all.keras").stat().st_size > 2.5 * (tmp_path / "use.keras").stat().st_size
    saved = load_model(tmp_path / "use.keras")
    assert not saved.compiled
    for one, other in zip(saved.network.variables, model.network.variables, strict=True):
        np.testing.assert_array_equal(one, other)  # `fit` leaves the averaged weights in the model
    saved.compile()
    saved.fit(batch, verbose=0)
