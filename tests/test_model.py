"""The model: its outputs, its training step and its file."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import CenterNet, UserError, encode_targets, load_model
from keras_centernet.fitting.nonfinite import NonFiniteLossError
from keras_centernet.tasks import COCO_CLASSES
from tests.helpers.tiny_backbone import TINY

LOSSES = {"loss", "center_heatmap_loss", "size_loss", "offset_loss"}


def repeated(batch, steps):
    return tf.data.Dataset.from_tensors(batch).repeat(steps)


def test_raw_maps_by_name(tiny_model, batch):
    maps = tiny_model()(batch[0])
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "center_heatmap": (2, 16, 16, 2),
        "size": (2, 16, 16, 2),
        "offset": (2, 16, 16, 2),
    }
    assert all(value.dtype == "float32" for value in maps.values())


def test_bytes_and_floats_agree(tiny_model, batch):
    model, images = tiny_model(), batch[0]
    for name, value in model(images).items():
        np.testing.assert_allclose(model(images.astype("float32"))[name], value, atol=1e-5)


def test_a_new_detector_starts_at_the_prior():
    model = CenterNet("mobilenet_v3_small", num_classes=3, input_size=64)
    maps = model(np.zeros((1, 64, 64, 3), "uint8"))
    np.testing.assert_allclose(keras.ops.sigmoid(maps["center_heatmap"]), 0.1, atol=0.01)


def test_the_total_loss_is_the_published_sum(tiny_model, batch):
    model = tiny_model()
    model.compile()
    figures = model.evaluate(repeated(batch, 1), return_dict=True, verbose=0)
    assert set(figures) == LOSSES
    expected = figures["center_heatmap_loss"] + 0.1 * figures["size_loss"] + figures["offset_loss"]
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_fit_learns_and_records_every_loss(tiny_model, batch):
    model = tiny_model()
    model.compile("adam", color_augmentation=False)
    data = repeated(batch, 10)
    history = model.fit(data, validation_data=data.take(1), epochs=2, verbose=0).history
    assert set(history) == LOSSES | {f"val_{name}" for name in LOSSES}
    assert history["loss"][1] < history["loss"][0]


def test_targets_made_on_the_host_give_the_same_loss(tiny_model, batch):
    model = tiny_model()
    images, objects = batch
    maps = model(images)
    targets = encode_targets(model.task, objects, (16, 16))
    assert float(model.compute_loss(images, targets, maps)) == pytest.approx(
        float(model.compute_loss(images, objects, maps)), rel=1e-6
    )


@pytest.mark.slow
def test_images_without_objects_are_legal(tiny_model, batch):
    model = tiny_model()
    model.compile()
    images, objects = batch
    nothing = (images, objects | {"mask": np.zeros_like(objects["mask"])})
    history = model.fit(repeated(nothing, 2), verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert history["size_loss"] == [0.0]


def test_compile_alone_gives_the_published_adam(tiny_model):
    model = tiny_model()
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1.25e-4)
    assert model.optimizer.epsilon == 1e-8


@pytest.mark.slow
def test_a_nan_stops_the_training_and_names_the_batch(tiny_model, batch):
    model = tiny_model()
    model.compile()
    model.network.get_layer("size").bias.assign([np.nan, 0])
    with pytest.raises(NonFiniteLossError, match=r"The loss is nan at epoch 1, batch 1 \(.*size_loss nan"):
        model.fit(repeated(batch, 3), verbose=0)


@pytest.mark.slow
def test_weights_with_nan_stop_the_training_even_if_the_loss_is_finite(tiny_model, batch):
    """A NaN in front of a ReLU can become 0 on its way to the loss."""
    model = tiny_model()
    model.compile()

    class Overflow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            norm = next(v for v in self.model.network.non_trainable_variables if "moving_variance" in v.path)
            norm.assign(keras.ops.full(norm.shape, np.nan))  # the training step does not read it

    with pytest.raises(NonFiniteLossError, match=r"moving_variance are NaN or infinite after epoch 1, with a finite"):
        model.fit(repeated(batch, 1), verbose=0, callbacks=[Overflow()])


@pytest.mark.slow
def test_half_precision_trains_with_float32_maps_and_weights(tiny_model, batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_model()
        model.compile("adam")
        loss = model.fit(repeated(batch, 1), verbose=0).history["loss"][0]
        maps = model(batch[0])
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(loss)
    assert {value.dtype.name for value in maps.values()} == {"float32"}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@pytest.mark.slow
def test_after_fit_the_model_has_the_averaged_weights(tiny_model, batch):
    model = tiny_model()
    model.compile("adam", average_decay=0.99)
    model.fit(repeated(batch, 3), verbose=0)
    for variable, average in zip(model.average.variables, model.average.averages, strict=True):
        np.testing.assert_array_equal(variable, average)


@pytest.mark.slow
def test_a_loaded_model_is_measured_and_trained_from_its_own_weights(tiny_model, batch, tmp_path):
    model = tiny_model()
    model.compile("sgd", average_decay=0.9)
    model.fit(repeated(batch, 3), verbose=0)
    model.save(tmp_path / "best.keras")
    loaded = load_model(tmp_path / "best.keras")
    expected = [np.asarray(variable) for variable in model.network.variables]
    with loaded.averaged():
        for variable, value in zip(loaded.network.variables, expected, strict=True):
            np.testing.assert_array_equal(variable, value)
    loaded.average.start()
    for average, variable in zip(loaded.average.averages, loaded.average.variables, strict=True):
        np.testing.assert_array_equal(average, variable)


def test_saved_and_loaded_models_are_equal(tiny_model, batch, tmp_path):
    model = tiny_model(task_options={"radius": "geometric"}, input_size=(64, 96))
    model.compile(keras.optimizers.Adam(3e-3), average_decay=0.9)
    model.fit(repeated(batch, 2), verbose=0)
    path = tmp_path / "best.keras"
    model.save(path)
    for loaded in (load_model(path), keras.saving.load_model(path)):
        assert (loaded.classes, loaded.input_size, loaded.task.name) == (("cat", "dog"), (64, 96), "detection")
        assert loaded.get_config() == model.get_config()
        assert float(loaded.optimizer.learning_rate) == pytest.approx(3e-3)
        assert int(loaded.optimizer.iterations) == 2
        for name, value in model(batch[0]).items():
            np.testing.assert_array_equal(loaded(batch[0])[name], value)


@pytest.mark.slow
def test_keras_loads_the_file_once_the_package_is_imported(tmp_path):
    path = tmp_path / "best.keras"
    CenterNet("mobilenet_v3_small_minimalistic", classes=("cat", "dog"), input_size=64).save(path)
    code = f"import keras, keras_centernet; print(keras.saving.load_model({str(path)!r}).classes)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "('cat', 'dog')", done.stderr[-500:]


def test_without_names_the_classes_are_those_of_coco():
    assert CenterNet(TINY, input_size=64).classes == COCO_CLASSES
    assert len(set(COCO_CLASSES)) == 80
    assert CenterNet(TINY, num_classes=2, input_size=64).classes == ("0", "1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vgg"}, r"Unknown backbone: expected one of dla34, .*minimalistic.*; got 'vgg'\."),
        ({"task": "poetry"}, r"Unknown task: expected one of detection, detection_3d, pose; got 'poetry'\."),
        ({"classes": ["a", "b"], "num_classes": 3}, "num_classes=3, but 2 classes were named: pass only one of them"),
        ({"classes": "cat"}, r'classes: expected a list of names, such as \["cat"\], got .cat.; pass a list'),
        ({"classes": []}, "classes: expected at least one name"),
        ({"classes": ["a", "a"]}, "no name twice"),
        ({"num_classes": 0}, "num_classes: expected a whole number of at least 1 and at most .*, got 0"),
        (
            {"input_size": 100},
            "a positive multiple of 32 or a .height, width. pair of them, at most 16384, got 100",
        ),
        ({"input_size": (64, 0)}, "expected a positive multiple of 32"),
        ({"weights": "nowhere.keras"}, "nowhere.keras: expected a .keras file, but it does not exist"),
        ({"backbone": "mobilenet_v3_small", "backbone_weights": "cifar"}, "expected None or 'imagenet', got 'cifar'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(UserError, match=message):
        CenterNet(**{"backbone": TINY, "input_size": 64} | options)


@pytest.mark.parametrize("argument", ["loss", "metrics", "loss_weights"])
def test_losses_metrics_and_weights_cannot_be_given_to_compile(tiny_model, argument):
    with pytest.raises(UserError, match=rf"compile\({argument}=...\): a CenterNet brings its own losses"):
        tiny_model().compile("adam", **{argument: "mse"})
