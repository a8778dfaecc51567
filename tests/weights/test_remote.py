"""Weights of every kind at remote paths."""

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, import_weights, load_model
from keras_centernet.weights.published import published_variables
from tests.helpers.tiny_backbone import TINY
from tests.weights.test_imagenet import classifier
from tests.weights.test_published import published_tensors, write_safetensors

pytestmark = pytest.mark.usefixtures("release_models")


def values_of(model):
    return [np.asarray(variable) for variable in model.network.variables]


def assert_same(model, other):
    for ours, theirs in zip(values_of(model), values_of(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_files_that_keras_saves_at_remote_paths_are_loaded(tiny_model, tmp_path):
    model, folder = tiny_model(), f"ram://{tmp_path.name}"
    model.save(f"{folder}/model.keras")
    model.save_weights(f"{folder}/model.weights.h5")
    assert_same(load_model(f"{folder}/model.keras"), model)
    for name in ("model.keras", "model.weights.h5"):
        started = CenterNet(model.backbone, classes=model.classes, input_size=64, weights=f"{folder}/{name}")
        assert_same(started, model)


@pytest.mark.slow
def test_published_checkpoints_and_classifiers(tiny_model, tmp_path, to_ram, capsys):
    tensors = published_tensors(tiny_model("resnet18"))
    path = to_ram(write_safetensors(tmp_path / "published.safetensors", tensors))
    model, _ = import_weights(path, classes=("cat", "dog"), input_size=64)
    started = CenterNet("resnet18", classes=("cat", "dog"), input_size=64, weights=path)
    assert_same(started, model)
    name, variable = next(iter(published_variables(started.network, started.task).items()))
    np.testing.assert_array_equal(variable, tensors[name].transpose(2, 3, 1, 0))

    path = to_ram(write_safetensors(tmp_path / "imagenet.safetensors", classifier("resnet18")))
    model = CenterNet("resnet18", num_classes=2, input_size=64, backbone_weights=path)
    kernel = classifier("resnet18")["conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.network.get_layer("conv1").kernel, kernel)


@pytest.mark.parametrize(
    ("name", "what"), [("m.keras", "a .keras file"), ("m.h5", "a weights file"), ("m.pth", "a checkpoint")]
)
def test_a_missing_remote_file_has_the_message_of_a_local_one(name, what):
    for path in (f"ram://none/{name}", f"/none/{name}"):
        with pytest.raises(UserError, match=f"^{path}: expected {what}, but it does not exist.$"):
            CenterNet(TINY, num_classes=2, input_size=64, weights=path)
    with pytest.raises(UserError, match=f"^nosuch://x/{name}: expected a file or folder that can be reached"):
        CenterNet(TINY, num_classes=2, input_size=64, weights=f"nosuch://x/{name}")
    with pytest.raises(UserError, match=r"^nosuch://x/m.keras: expected a file or folder that can be reached"):
        load_model("nosuch://x/m.keras")


def test_the_error_for_a_damaged_file_has_its_remote_name(tiny_model, tmp_path, to_ram):
    path = tmp_path / "model.keras"
    tiny_model().save(path)
    path.write_bytes(path.read_bytes()[:3000])
    remote = to_ram(path)
    with pytest.raises(UserError, match=f"^{remote}: expected a .keras file, but it is damaged"):
        load_model(remote)
