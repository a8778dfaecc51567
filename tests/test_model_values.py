"""Backbones, tasks and losses given as objects: built, trained, saved, and loaded in a fresh process."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, Task, UserError, load_model
from keras_centernet.tasks.detection import build_detection
from tests.helpers.tiny_backbone import TINY, build_tiny

# A user's own module: a function that builds a backbone, one that builds a task, and a loss.
MINE = textwrap.dedent(
    """
    import dataclasses

    import keras

    from keras_centernet.tasks.detection import build_detection


    @keras.saving.register_keras_serializable("mine")
    def two_convolutions(images):
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="mine_1")(images)
        return keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="mine_2")(x)


    @keras.saving.register_keras_serializable("mine")
    def build_large(classes, radius="published"):
        return dataclasses.replace(build_detection(classes, radius), name="large")


    @keras.saving.register_keras_serializable("mine")
    def squared(prediction, target, mask):
        mask = keras.ops.cast(mask, "float32")[..., None]
        return keras.ops.sum(mask * (prediction - target) ** 2), keras.ops.sum(mask)
    """
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's own module, importable here and in other processes that get its folder."""
    (tmp_path / "mine_module.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    import mine_module

    yield mine_module
    sys.modules.pop("mine_module")


def pyramid(strides=(4, 8, 16, 32), size=(None, None), name="pyramid"):
    """A Keras model with one output per stride."""
    images = x = keras.Input((*size, 3))
    outputs = []
    for stride in (2, 4, 8, 16, 32):
        x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
        outputs += [x] if stride in strides else []
    return keras.Model(images, outputs, name=name)


def in_fresh_process(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={"PYTHONPATH": f"{folder}:."}
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("strides", [(4, 8, 16, 32), (4, 8), (4,)])
def test_a_keras_model_is_a_backbone(strides, batch, tmp_path):
    backbone = pyramid(strides)
    model = CenterNet(backbone, num_classes=2, input_size=64)
    assert model.backbone is backbone
    assert model.normalization == "imagenet"
    assert bool([layer for layer in model.network.layers if layer.name.startswith("up")]) == (len(strides) > 1)
    before = np.asarray(backbone.weights[0])
    model.compile("adam", freeze="backbone")
    model.fit(*batch, batch_size=2, verbose=0)
    np.testing.assert_array_equal(backbone.weights[0], before)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    for name, value in model(batch[0]).items():
        np.testing.assert_array_equal(loaded(batch[0])[name], value)


@pytest.mark.slow
def test_a_users_own_builder_task_and_loss_survive_the_file(mine, batch, tmp_path):
    options = {"task_options": {"radius": "geometric"}, "head_losses": {"size": mine.squared, "offset": "smooth_l1"}}
    model = CenterNet(
        mine.two_convolutions,
        mine.build_large,
        classes=["a", "b"],
        input_size=64,
        loss_weights={"size": 0.5},
        **options,
    )
    assert (model.task.name, model.task.head("size").weight) == ("large", 0.5)
    model.compile("sgd", freeze="backbone")
    model.fit(*batch, batch_size=2, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    expected = float(model.compute_loss(batch[0], batch[1], model(batch[0])))
    inputs = tmp_path / "batch.npz"
    np.savez(inputs, images=batch[0], **batch[1])
    code = f"""
import numpy as np
from keras_centernet import UserError, load_model
arrays = dict(np.load({str(inputs)!r}))
images = arrays.pop("images")
try:
    load_model({str(path)!r})
except UserError as error:
    print(error)
import mine_module
model = load_model({str(path)!r})
print(model.task.name, model.task_options["radius"], float(model.compute_loss(images, arrays, model(images))))
"""
    told, error = in_fresh_process(code, tmp_path)
    assert told, error
    refused, loaded = told.splitlines()
    assert "which is not registered here. Import the module that registers it (commands" in refused
    name, radius, loss = loaded.split()
    assert (name, radius, float(loss)) == ("large", "geometric", pytest.approx(expected, rel=1e-6))


def test_a_finished_task_is_taken_as_it_is(mine, tmp_path):
    task = mine.build_large(("a", "b", "c"))
    model = CenterNet(TINY, task, input_size=64)
    assert model.classes == ("a", "b", "c")
    with pytest.raises(UserError, match=r"task large: expected a registered function that rebuilds it from a file"):
        model.save(tmp_path / "model.keras")
    rebuilt = Task(**{**vars(task), "builder": mine.build_large})
    CenterNet(TINY, rebuilt, input_size=64).save(tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").task.name == "large"


@pytest.mark.slow
def test_head_losses_change_the_loss_that_is_trained(tiny_model, batch):
    losses = {name: tiny_model(build_tiny, head_losses={"size": name}) for name in ("l1", "smooth_l1", "giou")}
    values = {}
    for name, model in losses.items():
        model.compute_loss(batch[0], batch[1], model(batch[0]))
        values[name] = float(model.losses_by_head["size"])
    assert values["smooth_l1"] < values["l1"]
    assert 0 < values["giou"] < 2
    trained = losses["giou"]
    trained.compile("adam")
    history = trained.fit(*batch, batch_size=2, epochs=3, verbose=0).history
    assert history["size_loss"][-1] < history["size_loss"][0]


@pytest.mark.slow
def test_a_subclass_adds_to_the_objective(batch):
    class Regularized(CenterNet):
        def compute_loss(self, *args, **kwargs):
            return super().compute_loss(*args, **kwargs) + 10.0

    def losses(kind):
        keras.utils.set_random_seed(1)
        model = kind(build_tiny, num_classes=2, input_size=64)
        model.compile("sgd", color_augmentation=False)
        history = model.fit(*batch, batch_size=2, validation_data=batch, verbose=0).history
        return [history[name][0] for name in ("loss", "val_loss", "size_loss")]

    for ours, usual, more in zip(losses(Regularized), losses(CenterNet), (10, 10, 0), strict=True):
        assert ours == pytest.approx(usual + more, rel=1e-4)


def test_sample_weights_are_refused_in_words(tiny_model, batch):
    model = tiny_model(build_tiny)
    model.compile("sgd")
    with pytest.raises(UserError, match="sample_weight: expected None, as the masks of the objects say what counts"):
        model.train_on_batch(*batch, sample_weight=np.ones(2))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float32"])
def test_the_dtype_policy_is_restored_from_the_file(tiny_model, batch, tmp_path, policy):
    model = tiny_model(dtype=policy)
    assert {layer.compute_dtype for layer in model.network.layers if layer.name == "size_hidden"} == {
        model.compute_dtype
    }
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy.name == policy
    for name, value in model(batch[0]).items():
        np.testing.assert_array_equal(loaded(batch[0])[name], value)


def test_summary_and_input_are_those_of_the_network(tiny_model, capsys):
    model = tiny_model()
    model.summary()
    shown = capsys.readouterr().out
    assert "conv2" in shown
    assert "size_hidden" in shown
    features = keras.Model(model.input, model.network.get_layer("size_hidden").output)
    assert features(model.normalize(np.zeros((1, 64, 64, 3)))).shape == (1, 16, 16, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": 7}, r"backbone: expected one of dla34, .*, a Keras model or a function of images, got 7"),
        (
            {"backbone": pyramid((8, 16))},
            "backbone pyramid: expected one output of stride 4, or several of strides 4, 8",
        ),
        ({"backbone": pyramid((4, 16))}, "got strides 4, 16"),
        ({"backbone": pyramid((4,), name="size")}, r"backbone size: .*\"size\".* have names of their own"),
        ({"backbone": pyramid(size=(64, 64))}, r"built with input_shape=\(None, None, 3\), got one of inputs"),
        ({"task": build_detection(("a",)), "classes": ("b",)}, "task: a Task has its own options and classes, a;"),
        ({"head_losses": {"size": "focal"}}, r"head_losses of size: expected one of l1, smooth_l1, .*, got 'focal'"),
        ({"head_losses": {"depth": "l1"}}, "Unknown head of head_losses: expected one of center_heatmap, size, offset"),
        ({"head_losses": {"size": "l7"}}, "Unknown loss: expected one of focal"),
        ({"loss_weights": {"size": -1}}, "loss_weights of size: expected a number of at least zero, got -1"),
        ({"head_losses": {"offset": "giou"}}, r"head_losses of offset: expected one of l1, smooth_l1, .*, got 'giou'"),
        ({"task": "detection_3d", "head_losses": {"depth": "giou"}}, "head_losses of depth: expected one of l1"),
        ({"task_options": {"radius": []}}, r"task_options of detection: radius must be one of .*, got \[\]"),
        ({"task_options": {"nms": "x"}}, "nms: expected a number above 0 and at most 1, got 'x'"),
        ({"task": "pose", "task_options": {"skeleton": "coco"}}, "skeleton: expected a Skeleton or its to_dict"),
        ({"task": "pose", "task_options": {"skeleton": {"names": 3}}}, "skeleton: expected a Skeleton or its to_dict"),
        ({"task_options": {"sigmas_per_diameter": 0}}, "sigmas_per_diameter: expected a finite number above 0, got 0"),
    ],
)
def test_values_that_do_not_fit(arguments, message):
    with pytest.raises(UserError, match=message):
        CenterNet(**{"backbone": TINY, "input_size": 64} | arguments)
