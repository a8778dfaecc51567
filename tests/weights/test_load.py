"""Model and weight files of this package, foreign files, and damaged ones."""

import types

import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, load_model
from keras_centernet.weights.load import common_variables
from tests.helpers.tiny_backbone import TINY


@pytest.fixture(scope="module")
def saved(tiny_model, tmp_path_factory):
    model = tiny_model()
    path = tmp_path_factory.mktemp("weights") / "two_classes.keras"
    model.save(path)
    return model, path


def test_start_from_a_file(saved, tiny_model, batch):
    model, path = saved
    fresh = CenterNet(TINY, classes=("cat", "dog"), input_size=64, weights=str(path))
    for name, value in model(batch[0]).items():
        np.testing.assert_array_equal(fresh(batch[0])[name], value)


def test_other_classes_take_all_but_the_last_layer_of_the_heatmap(saved, batch, capsys):
    model, path = saved
    fresh = CenterNet(TINY, num_classes=5, input_size=64, weights=str(path))
    anew = "center_heatmap/kernel, center_heatmap/bias"
    taken = len(fresh.network.variables) - 2
    assert capsys.readouterr().out == (
        f"{path} has other classes: the last layer of center_heatmap starts anew ({anew}), the other {taken} tensors "
        "are taken.\n"
    )
    np.testing.assert_array_equal(fresh(batch[0])["size"], model(batch[0])["size"])
    hidden = "center_heatmap_hidden"
    np.testing.assert_array_equal(fresh.network.get_layer(hidden).kernel, model.network.get_layer(hidden).kernel)


def test_a_file_of_weights_only(saved, tmp_path, batch):
    model, _ = saved
    path = tmp_path / "some.weights.h5"
    model.save_weights(path)
    fresh = CenterNet(TINY, classes=("cat", "dog"), input_size=64, weights=str(path))
    np.testing.assert_array_equal(fresh(batch[0])["size"], model(batch[0])["size"])


def test_another_network_is_named(saved):
    with pytest.raises(UserError, match="holds a tiny: expected the tensors of resnet18"):
        CenterNet("resnet18_plain", num_classes=2, input_size=64, weights=str(saved[1]))


def test_damaged_and_foreign_files(saved, tmp_path):
    content = saved[1].read_bytes()
    files = {
        "cut.keras": content[: len(content) // 2],
        "text.keras": b"not a model",
        "empty.keras": b"",
    }
    for name, part in files.items():
        (tmp_path / name).write_bytes(part)
        with pytest.raises(UserError, match=f"{name}: expected a .keras file, but it is damaged or of another format"):
            load_model(tmp_path / name)
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    with pytest.raises(UserError, match=r"other\.keras: expected a CenterNet, got a Sequential"):
        load_model(other)
    with pytest.raises(UserError, match=r"nowhere\.keras: expected a \.keras file, but it does not exist"):
        load_model(tmp_path / "nowhere.keras")


def test_another_task_takes_the_heads_that_both_have(saved, batch, capsys):
    model, path = saved
    options = {"task": "pose", "input_size": 64}
    pose = CenterNet(TINY, weights=str(path), **options)
    printed = capsys.readouterr().out
    assert "has no keypoint_displacement, keypoint_heatmap, keypoint_offset: starts anew" in printed
    assert "has other classes: the last layer of center_heatmap starts anew" in printed
    for name in ("size", "offset"):
        np.testing.assert_array_equal(pose(batch[0])[name], model(batch[0])[name])


def test_heads_of_earlier_stacks_are_left_out_with_their_task():
    heads = [types.SimpleNamespace(name=name) for name in ("size", "keypoint_offset")]
    paths = ["pre/kernel", "stack0_size/bias", "stack0_keypoint_offset_hidden/kernel", "keypoint_offset/bias"]
    network = types.SimpleNamespace(variables=[types.SimpleNamespace(path=path) for path in paths])
    pose, detection = (
        types.SimpleNamespace(network=network, task=types.SimpleNamespace(heads=some)) for some in (heads, heads[:1])
    )
    assert list(common_variables(pose, detection)) == ["pre/kernel", "stack0_size/bias"]
    assert list(common_variables(pose, pose)) == paths
