"""Models by name: the table, what names mean, and the functions that take them."""

import sys
import types

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, load_model
from keras_centernet.errors import DataWarning
from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops, count_parameters
from keras_centernet.networks.table import BACKBONES
from keras_centernet.runs.recipes import load_recipe
from keras_centernet.tasks import TASKS
from keras_centernet.weights.presets import PRESETS, preset_name
from keras_centernet.weights.resolve import find, is_named
from tests.helpers.shapes_only import shapes_only
from tests.helpers.tiny_backbone import TINY
from tests.weights.test_published import write_safetensors


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_agrees_with_the_recipe_that_trained_it(name):
    row = PRESETS[name]
    recipe = load_recipe(row.recipe)
    assert row.metrics == recipe.metrics
    assert (row.backbone, row.input_size) == (recipe.settings["backbone"], recipe.settings["input_size"])
    assert row.task == recipe.settings.get("task", "detection")
    assert row.backbone in BACKBONES
    assert row.task in TASKS
    assert row.drive_id in row.address
    assert row.licence
    assert row.citation


def test_presets_of_coco_cost_what_their_networks_do():
    coco = [row for row in PRESETS.values() if (len(row.classes), row.input_size) == (80, 512)]
    assert len(coco) == 5
    for row in coco:
        assert row.cost[:2] == (BACKBONES[row.backbone].parameters, BACKBONES[row.backbone].gflop)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_costs_what_its_row_says(name):
    row = PRESETS[name]
    hw = row.input_size if isinstance(row.input_size, tuple) else (row.input_size, row.input_size)
    with shapes_only():
        network = build_network(row.backbone, TASKS[row.task].build(row.classes), input_hw=hw)
    megabytes = round(4 * network.count_params() / 1e6)
    assert row.cost == (count_parameters(network), round(count_flops(network) / 1e9, 1), megabytes)


def test_no_two_presets_share_a_file():
    for values in (row.file for row in PRESETS.values()), (row.drive_id for row in PRESETS.values()):
        values = list(values)
        assert len(set(values)) == len(values)


def test_a_name_is_complete_or_is_added_to_the_backbones():
    assert preset_name("dla34_coco") == "dla34_coco"
    assert preset_name("coco", "resnet18") == "resnet18_coco"
    assert preset_name("coco") is None
    assert preset_name("coco", "mobilenet_v2") is None
    assert preset_name("./dla34_coco") is None
    assert is_named("hf://me/mine")
    assert not is_named("runs/best.keras")


def same_weights(model, tensors):
    """Compares a kernel with the published tensor, whose axes are in PyTorch's order."""
    np.testing.assert_array_equal(
        model.network.get_layer("conv1").kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(model.network.get_layer("center_heatmap").bias, tensors["hm.2.bias"])


def test_a_preset_is_converted_once_and_kept(tiny_preset, tiny_tensors, server, cache):
    model = CenterNet.from_preset("tiny_pets")
    assert (model.backbone_name, model.classes, model.input_size) == (TINY, ("cat", "dog"), (64, 64))
    same_weights(model, tiny_tensors)
    (converted,) = cache.glob("tiny_pets-*.keras")
    before = converted.stat().st_mtime_ns
    same_weights(load_model("tiny_pets"), tiny_tensors)
    assert converted.stat().st_mtime_ns == before
    assert server.asked == ["number-1"]


def test_weights_by_name_start_a_model(tiny_preset, tiny_tensors):
    for name in ("pets", "tiny_pets"):
        same_weights(CenterNet(TINY, classes=("cat", "dog"), input_size=96, weights=name), tiny_tensors)


def test_overrides_keep_the_weights_that_fit(tiny_preset, tiny_tensors, capsys):
    model = CenterNet.from_preset("tiny_pets", input_size=96, name="mine")
    assert (model.input_size, model.name) == ((96, 96), "mine")
    same_weights(model, tiny_tensors)
    capsys.readouterr()
    model = CenterNet.from_preset("tiny_pets", num_classes=3)
    assert model.classes == ("0", "1", "2")
    assert "the last layer of center_heatmap starts anew" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"colour: expected one of .*input_size.* beside the name of a preset"):
        CenterNet.from_preset("tiny_pets", colour=1)


def test_a_file_of_another_network_is_refused(tiny_preset, tiny_tensors, server, tmp_path):
    del tiny_tensors["conv2.weight"]
    server.files["number-1"] = write_safetensors(tmp_path / "other.safetensors", tiny_tensors).read_bytes()
    with pytest.raises(UserError, match=r"expected a tensor conv2\.weight of shape .*, it is missing"):
        load_model("tiny_pets")


def test_tensors_without_a_place_are_reported(tiny_preset, tiny_tensors, server, tmp_path):
    tiny_tensors["fc.weight"] = np.zeros((3, 3), "float32")
    server.files["number-1"] = write_safetensors(tmp_path / "more.safetensors", tiny_tensors).read_bytes()
    with pytest.warns(DataWarning, match=r"1 tensors have no place and are left out: fc\.weight"):
        load_model("tiny_pets")


def start_from(name):
    """Returns a new model with weights of that name."""
    return CenterNet(TINY, num_classes=2, input_size=64, weights=name)


@pytest.mark.parametrize("load", [load_model, start_from])
def test_the_error_for_an_unknown_name_points_to_the_list(load):
    with pytest.raises(UserError, match=r"^dla34_cocoa: expected a file, .*models` lists .*mean dla34_coco\?$"):
        load("dla34_cocoa")


def test_an_address_is_fetched_once(tiny_model, server, cache, tmp_path):
    model = tiny_model()
    model.save(tmp_path / "mine.keras")
    server.files["mine.keras"] = (tmp_path / "mine.keras").read_bytes()
    address = f"{server.address}/some/mine.keras"
    for _ in range(2):
        np.testing.assert_array_equal(
            load_model(address).network.get_layer("conv1").kernel, model.network.get_layer("conv1").kernel
        )
    assert server.asked == ["mine.keras"]
    with pytest.raises(UserError, match="expected an address that ends in"):
        load_model(f"{server.address}/page")


@pytest.mark.parametrize("weights", ["model.weights.h5", "model.safetensors"])
def test_a_folder_holds_a_whole_model(tiny_model, tmp_path, weights, rng):
    model, images = tiny_model(), rng.integers(0, 256, (1, 64, 64, 3), np.uint8)
    model.save_to_preset(tmp_path / "mine", licence="mit", weights=weights)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == sorted(["README.md", "config.json", weights])
    started = CenterNet(TINY, classes=model.classes, input_size=64, weights=tmp_path / "mine")
    for again in (CenterNet.from_preset(tmp_path / "mine"), started):
        assert again.classes == model.classes
        for name, value in model(images).items():
            np.testing.assert_array_equal(again(images)[name], value)


def test_a_folder_replaces_nothing_unasked(tiny_model, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"README\.md: expected no file there yet"):
        tiny_model().save_to_preset(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    tiny_model().save_to_preset(tmp_path, overwrite=True)
    tiny_model().save_to_preset(tmp_path, weights="model.safetensors", overwrite=True)
    assert not (tmp_path / "model.weights.h5").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "it is no preset of this package"),
        (lambda folder: (folder / "model.weights.h5").write_bytes(b"x"), "expected a file of weights, it is damaged"),
        (
            lambda folder: (folder / "config.json").write_text(
                '{"format": "keras_centernet preset", "model": {"backbone": {"class_name": "__lambda__"}}}'
            ),
            "expected a model without code, got a lambda",
        ),
    ],
)
def test_a_damaged_folder_is_refused(tiny_model, tmp_path, change, message):
    tiny_model().save_to_preset(tmp_path / "mine")
    change(tmp_path / "mine")
    with pytest.raises(UserError, match=message):
        load_model(tmp_path / "mine")


def test_the_best_model_of_a_runs_folder_is_taken(tiny_model, tmp_path):
    for name in ("last.keras", "best.keras"):
        (tmp_path / name).write_bytes(b"")
    assert find(tmp_path) == str(tmp_path / "best.keras")
    (tmp_path / "best.keras").rename(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"got 2 \.keras files; name the file"):
        find(tmp_path)


def test_hubs_are_accessed_through_their_libraries(tiny_model, tmp_path, monkeypatch):
    folder, asked = tmp_path / "mine", []
    tiny_model().save_to_preset(folder)

    def snapshot(name, allow_patterns):
        asked.append(name)
        return str(folder)

    hub = types.SimpleNamespace(snapshot_download=snapshot, hf_hub_download=lambda name, file: str(folder / file))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    kaggle = types.SimpleNamespace(model_download=lambda handle: asked.append(handle) or str(folder))
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle)
    for name in ("hf://me/pets", "kaggle://me/pets/keras/tiny"):
        assert load_model(name).classes == ("cat", "dog")
    assert asked == ["me/pets", "me/pets/keras/tiny"]
    assert find("hf://me/pets/model.weights.h5") == str(folder / "model.weights.h5")
    with pytest.raises(UserError, match="hf://pets: expected hf://user/name"):
        load_model("hf://pets")
    for library in ("huggingface_hub", "kagglehub"):
        monkeypatch.setitem(sys.modules, library, None)
    for name in ("hf://me/pets", "kaggle://me/pets/keras/tiny"):
        with pytest.raises(UserError, match=r"Run `pip install .keras_centernet\[hub\].`"):
            load_model(name)
