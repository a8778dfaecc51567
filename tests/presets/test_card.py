"""The model card, and uploading a preset to a hub."""

import json
import sys
import types

import pytest

from keras_centernet import UserError, upload_preset
from keras_centernet.networks.cost import count_parameters


@pytest.fixture
def run(tmp_path):
    """The folder of a finished training."""
    folder = tmp_path / "run"
    folder.mkdir()
    settings = {"keras_centernet_run": 1, "data": "photos", "epochs": 7, "recipe": None}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "metrics.json").write_text(json.dumps({"AP": 0.123456, "images": 4, "per class": {"cat": 1}}))
    (folder / "detections.png").write_bytes(b"an image")
    return folder


def test_a_card_states_the_runs_settings_and_metrics(tiny_model, run, tmp_path):
    model = tiny_model(classes=("cat", "two\nlines | bar"), input_size=(64, 96))
    folder = model.save_to_preset(tmp_path / "mine", run=run, licence="apache-2.0")
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\npipeline_tag: object-detection\nlibrary_name: keras\n")
    for line in ("| data | photos |", "| epochs | 7 |", "| AP | 0.1235 |", "| images | 4 |"):
        assert line in card.splitlines()
    assert "2: cat, two lines | bar." in card
    assert "recipe" not in card
    assert "per class" not in card
    assert f"{count_parameters(model.network):,} parameters, input 64x96" in card
    assert "](detections.png)" in card
    assert (folder / "detections.png").read_bytes() == b"an image"


def test_a_card_without_a_run_or_a_licence(tiny_model, tmp_path):
    folder = tiny_model().save_to_preset(tmp_path / "mine")
    card = (folder / "README.md").read_text()
    assert "license:" not in card
    assert "not chosen yet" in card
    assert "## Metrics" not in card
    assert "detections.png" not in card
    with pytest.raises(UserError, match="expected the folder of a run, got none"):
        tiny_model().save_to_preset(tmp_path / "other", run=tmp_path / "nowhere")


def test_a_folder_is_uploaded(tiny_model, tmp_path, monkeypatch):
    folder, calls = tiny_model().save_to_preset(tmp_path / "mine"), []
    hub = types.SimpleNamespace(
        create_repo=lambda name, private, exist_ok: calls.append((name, private, exist_ok)),
        upload_folder=lambda repo_id, folder_path: calls.append((repo_id, folder_path)),
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert upload_preset("hf://me/pets", folder, private=True) == "hf://me/pets"
    assert calls == [("me/pets", True, True), ("me/pets", str(folder))]
    for address in ("me/pets", "hf://pets", "hf://me/pets/more"):
        with pytest.raises(UserError, match="expected hf://user/name"):
            upload_preset(address, folder)
    with pytest.raises(UserError, match=r"config\.json"):
        upload_preset("hf://me/pets", tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install .keras_centernet\[hub\]"):
        upload_preset("hf://me/pets", folder)
