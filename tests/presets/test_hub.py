"""Presets on the Hugging Face hub, through its own library and a hub that is served locally."""

import importlib
import sys

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, load_model, upload_preset
from tests.helpers.hub_server import serving_hub

LIBRARY = "huggingface_hub"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A local hub, which is the only one that the library knows."""
    pytest.importorskip(LIBRARY)
    with serving_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        for name in [name for name in sys.modules if name.partition(".")[0] == LIBRARY]:
            monkeypatch.delitem(sys.modules, name)  # it reads the address when it is imported
        importlib.import_module(LIBRARY)
        yield server
        for name in [name for name in sys.modules if name.partition(".")[0] == LIBRARY]:
            del sys.modules[name]


def test_what_is_uploaded_is_loaded(hub, tiny_model, tmp_path):
    model = tiny_model()
    folder = model.save_to_preset(tmp_path / "mine", licence="apache-2.0")
    assert upload_preset("hf://me/pets", folder, private=True) == "hf://me/pets"
    assert hub.private == {"me/pets"}
    assert hub.files["me/pets"] == {path.name: path.read_bytes() for path in folder.iterdir()}
    images = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    for again in (CenterNet.from_preset("hf://me/pets"), load_model("hf://me/pets")):
        assert again.classes == model.classes
        for head, values in model(images).items():
            np.testing.assert_array_equal(again(images)[head], values)


def test_what_was_loaded_once_is_loaded_without_a_connection(hub, tiny_model, tmp_path):
    upload_preset("hf://me/pets", tiny_model().save_to_preset(tmp_path / "mine"))
    load_model("hf://me/pets")
    hub.shutdown()
    hub.server_close()
    assert load_model("hf://me/pets").classes == ("cat", "dog")


def test_a_name_that_the_hub_does_not_know_is_one_line(hub):
    with pytest.raises(UserError, match=r"hf://me/nothing: could not be downloaded: .+") as error:
        load_model("hf://me/nothing")
    assert "\n" not in str(error.value)
