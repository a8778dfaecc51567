"""AveragePrecision inside a real `fit`."""

import contextlib
import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.errors import UserError
from keras_centernet.evaluation import AveragePrecision

HEIGHT = WIDTH = 32
BOX_XYXY = [4, 4, 24, 24]


class OneBoxModel(keras.Model):
    """Learns nothing; its one weight is how far the detected box lies to the right of the true one."""

    classes = ("thing",)

    def __init__(self):
        super().__init__()
        self.shift = self.add_weight(shape=(), initializer="zeros", name="shift")
        self.built = True

    def call(self, images):
        return self.shift * keras.ops.ones((keras.ops.shape(images)[0], 1))

    def detect_batch(self, images, top_k=100):
        box = np.float32(BOX_XYXY) + np.float32([float(self.shift), 0, float(self.shift), 0])
        count = len(images)
        return {
            "boxes_xyxy": np.tile(box, (count, 1, 1)),
            "scores": np.full((count, 1), 0.9, np.float32),
            "classes": np.zeros((count, 1), np.int32),
        }


class Batches(list):
    classes = ("thing",)


def build_validation(boxes=1):
    objects = {
        "boxes_xyxy": np.float32([[BOX_XYXY] * boxes]).reshape(1, boxes, 4),
        "classes": np.zeros((1, boxes), np.int32),
        "mask": np.ones((1, boxes), bool),
        "is_crowd": np.zeros((1, boxes), bool),
        "is_difficult": np.zeros((1, boxes), bool),
        "areas": np.full((1, boxes), 400, np.float32),
        "image_id": np.array([7]),
        "image_hw": np.array([[HEIGHT, WIDTH]]),
        "image_to_input": np.float32([[[1, 0, 0], [0, 1, 0]]]),
    }
    return Batches([(np.zeros((1, HEIGHT, WIDTH, 3), np.uint8), objects)])


def fit(model, callbacks, epochs=1):
    model.compile(optimizer="sgd", loss="mse")
    images = np.zeros((2, HEIGHT, WIDTH, 3), np.float32)
    return model.fit(images, np.zeros((2, 1)), epochs=epochs, callbacks=callbacks, verbose=0)


def test_history_holds_the_three_metrics():
    history = fit(OneBoxModel(), [AveragePrecision(build_validation())], epochs=2).history
    assert {name: history[name] for name in history if name.startswith("val_")} == {
        "val_AP": pytest.approx([1.0, 1.0]),
        "val_AP50": pytest.approx([1.0, 1.0]),
        "val_AP75": pytest.approx([1.0, 1.0]),
    }


def test_callbacks_that_come_after_see_them(tmp_path):
    callbacks = [
        AveragePrecision(build_validation()),
        keras.callbacks.CSVLogger(tmp_path / "history.csv"),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.weights.h5", monitor="val_AP", mode="max", save_best_only=True, save_weights_only=True
        ),
    ]
    fit(OneBoxModel(), callbacks)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["val_AP50"]) == pytest.approx(1.0)
    assert (tmp_path / "best.weights.h5").exists()


@pytest.mark.parametrize(
    ("every", "epochs", "evaluated"),
    [
        pytest.param(1, 3, [True, True, True], id="each"),
        pytest.param(2, 4, [False, True, False, True], id="every second"),
        pytest.param(2, 3, [False, True, True], id="and always the last"),
        pytest.param(9, 2, [False, True], id="fewer epochs than the period"),
    ],
)
def test_epochs_that_are_not_measured_leave_no_key(every, epochs, evaluated):
    has_key = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: has_key.append("val_AP" in logs))
    fit(OneBoxModel(), [AveragePrecision(build_validation(), every=every), note], epochs)
    assert has_key == evaluated


@pytest.mark.filterwarnings("ignore:.*conditioned on metric .val_AP.:UserWarning")  # each warns that it waits
@pytest.mark.filterwarnings("ignore:Can save best model only with val_AP available:UserWarning")
def test_callbacks_of_keras_wait_for_the_next_measurement(tmp_path):
    """The first epoch is not measured. A NaN in its logs would stay the best value for ever."""
    stop = keras.callbacks.EarlyStopping("val_AP", mode="max", patience=1)
    slow = keras.callbacks.ReduceLROnPlateau("val_AP", mode="max", patience=9)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", monitor="val_AP", mode="max", save_best_only=True, save_weights_only=True
    )
    fit(OneBoxModel(), [AveragePrecision(build_validation(), every=2), stop, slow, best], epochs=2)
    assert stop.best == slow.best == best.best == pytest.approx(1.0)
    assert (tmp_path / "best.weights.h5").exists()


def test_data_without_objects_leave_no_key():
    callback = AveragePrecision(build_validation(boxes=0))
    history = fit(OneBoxModel(), [callback]).history
    assert "val_AP" not in history
    assert callback.report.metrics["AP"] is None


def test_measures_the_averaged_weights_of_a_model_that_keeps_them():
    class AveragedModel(OneBoxModel):
        @contextlib.contextmanager
        def averaged(self):
            self.shift.assign(8.0)
            yield
            self.shift.assign(0.0)

    model, callback = AveragedModel(), AveragePrecision(build_validation())
    fit(model, [callback])
    assert callback.report.detections[0]["bbox"] == [12, 4, 20, 20]
    assert float(model.shift) == 0.0


def test_measures_averaged_weights_when_swapped_in_before():
    model = OneBoxModel()
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    callback = AveragePrecision(build_validation())
    model.compile(optimizer=keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.999), loss="mse")
    model.fit(
        np.zeros((2, HEIGHT, WIDTH, 3), np.float32),
        np.array([[0.0], [1000.0]]),  # the second step moves the weight far, but its average hardly
        batch_size=1,
        shuffle=False,
        callbacks=[swap, callback],
        verbose=0,
    )
    assert callback.report.metrics["AP50"] > 0.99


class Interrupted(Exception):
    """Stops a training in these tests."""


class Interrupt(keras.callbacks.Callback):
    """Stops the training at the beginning of an epoch, counted from 0."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Interrupted


def test_a_training_that_keras_restores_is_measured_in_the_same_epochs(tmp_path):
    """Of five epochs, every second and the last are measured: 2, 4, 5. Training is stopped before the fourth."""
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch + 1, "val_AP" in logs)))

    def callbacks(*more):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        return [AveragePrecision(build_validation(), every=2), note, *more, backup]

    with pytest.raises(Interrupted):
        fit(OneBoxModel(), callbacks(Interrupt(3)), epochs=5)
    fit(OneBoxModel(), callbacks(), epochs=5)
    assert seen == [(1, False), (2, True), (3, False), (4, True), (5, True)]


def test_keras_restores_a_centernet_that_is_measured(tiny_model, batch, tmp_path):
    images, objects = batch
    truth = build_validation()[0][1]
    objects = objects | {key: np.repeat(truth[key], 2, axis=0) for key in ("image_hw", "image_to_input")}
    objects |= {key: np.zeros(objects["mask"].shape, bool) for key in ("is_crowd", "is_difficult")}
    objects |= {"areas": np.full(objects["mask"].shape, 400, np.float32), "image_id": np.array([1, 2])}
    val = Batches([(images, objects)])
    val.classes = ("cat", "dog")

    def train(*more):
        model = tiny_model()
        model.compile("adam", color_augmentation=False)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        callbacks = [AveragePrecision(val), *more, backup]
        return model, lambda: model.fit(tf.data.Dataset.from_tensors(batch), epochs=2, callbacks=callbacks, verbose=0)

    stopped, run = train(Interrupt(1))
    with pytest.raises(Interrupted):
        run()
    begun = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(restored.get_weights()))
    restored, run = train(note)
    history = run()
    assert history.epoch == [1]
    assert "val_AP" in history.history
    for ours, theirs in zip(begun[0], stopped.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_averaged_weights_that_are_swapped_in_after_it_are_not_measured():
    """The order of callbacks decides: only an `AveragePrecision` after `SwapEMAWeights` measures averaged weights."""
    model, callback = OneBoxModel(), AveragePrecision(build_validation())
    model.compile(optimizer=keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.999), loss="mse")
    images, targets = np.zeros((2, HEIGHT, WIDTH, 3), np.float32), np.array([[0.0], [1000.0]])
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    model.fit(images, targets, batch_size=1, shuffle=False, callbacks=[callback, swap], verbose=0)
    assert callback.report.metrics["AP50"] < 0.01


def test_verbose_prints_one_line(capsys):
    fit(OneBoxModel(), [AveragePrecision(build_validation(), verbose=True)])
    assert capsys.readouterr().out.strip().startswith("epoch 1: AP 1.000, AP50 1.000, AP75 1.000 (")


def test_a_period_below_one_is_refused():
    with pytest.raises(UserError) as error:
        AveragePrecision(build_validation(), every=0)
    assert str(error.value) == "AveragePrecision: every: expected a whole number of at least 1, got 0."


def test_a_path_is_refused_before_the_first_epoch():
    with pytest.raises(
        UserError, match=r"^AveragePrecision: expected .*got 'a'; pass keras_centernet\.load_dataset\('a'"
    ):
        AveragePrecision("a")
