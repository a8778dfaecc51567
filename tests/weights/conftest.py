"""A separate cache, a server of weights, and a small preset on that server."""

import pytest

from keras_centernet.weights import presets
from keras_centernet.weights.presets import PRESETS, Preset
from tests.helpers.tiny_backbone import TINY
from tests.helpers.weights_server import serving
from tests.weights.test_published import published_tensors, write_safetensors

FILE = "tiny.safetensors"


@pytest.fixture
def server():
    """A local server without files."""
    with serving() as state:
        yield state


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of downloads, in a Keras folder for this test only."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("KERAS_CENTERNET_MIRROR", raising=False)
    return tmp_path / "keras" / "keras_centernet"


@pytest.fixture
def tiny_tensors(tiny_model):
    """The small detector's tensors, as a published checkpoint would hold them."""
    return published_tensors(tiny_model())


@pytest.fixture
def tiny_preset(server, cache, tiny_tensors, tmp_path, monkeypatch):
    """ "tiny_pets": a preset of cats and dogs, whose file is on the server."""
    monkeypatch.setattr(presets, "DRIVE", server.address + "/{}")
    row = Preset(
        TINY, "detection", ("cat", "dog"), FILE, "number-1", {"AP": {"none": 1.5}}, "none", (1, 0.1, 1), input_size=64
    )
    monkeypatch.setitem(PRESETS, "tiny_pets", row)
    server.files["number-1"] = write_safetensors(tmp_path / FILE, tiny_tensors).read_bytes()
    return row
