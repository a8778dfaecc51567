"""Files of weights are fetched once; they are whole and checked, or not kept."""

import hashlib
import sys
import types

import pytest

from keras_centernet import UserError
from keras_centernet.files.temporary import MARK
from keras_centernet.weights.download import fetch, fetch_preset, mirrored
from tests.weights.conftest import FILE


def kept(cache):
    """The names of the files in the cache."""
    return sorted(path.name for path in cache.iterdir())


def test_a_file_is_fetched_once_and_its_checksum_recorded(tiny_preset, server, cache):
    path = fetch_preset(tiny_preset)
    assert path == cache / FILE
    assert path.read_bytes() == server.files["number-1"]
    assert (cache / f"{FILE}.sha256").read_text().strip() == hashlib.sha256(server.files["number-1"]).hexdigest()
    assert fetch_preset(tiny_preset) == path
    assert server.asked == ["number-1"]
    assert kept(cache) == [FILE, f"{FILE}.sha256"]


def test_a_file_that_changed_later_is_refused(tiny_preset, cache):
    path = fetch_preset(tiny_preset)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match=r"expected the SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}; it changed: remove it"):
        fetch_preset(tiny_preset)
    (cache / f"{FILE}.sha256").write_text("nonsense")
    with pytest.raises(UserError, match=r"sha256: expected the SHA-256 of tiny.safetensors, got other text"):
        fetch_preset(tiny_preset)


def test_a_wrong_known_checksum_keeps_nothing(server, cache, tiny_preset):
    right = hashlib.sha256(server.files["number-1"]).hexdigest()
    address = f"{server.address}/number-1"
    with pytest.raises(UserError, match=f"expected the SHA-256 {'0' * 64}, got {right}; nothing was kept"):
        fetch(FILE, address, sha256="0" * 64)
    assert kept(cache) == []
    assert fetch(FILE, address, sha256=right) == cache / FILE


def test_an_interrupted_download_keeps_nothing_and_may_be_repeated(tiny_preset, server, cache):
    server.broken.add("number-1")
    with pytest.raises(UserError, match=r"tiny\.safetensors: could not be downloaded \(.*retrieval incomplete"):
        fetch_preset(tiny_preset)
    assert kept(cache) == []
    server.broken.clear()
    assert fetch_preset(tiny_preset).exists()


def test_files_of_killed_processes_are_removed(tiny_preset, cache):
    cache.mkdir(parents=True)
    (cache / f"{MARK}00000000-1-00000000.{FILE}").write_bytes(b"half")
    import os

    os.utime(cache / f"{MARK}00000000-1-00000000.{FILE}", (1e9, 1e9))
    fetch_preset(tiny_preset)
    assert kept(cache) == [FILE, f"{FILE}.sha256"]


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x00" * 100])
def test_a_damaged_file_keeps_nothing(tiny_preset, server, cache, content):
    server.files["number-1"] = content
    with pytest.raises(UserError, match="/number-1: expected a whole file of weights: expected a safetensors file"):
        fetch_preset(tiny_preset)
    assert kept(cache) == []


def test_a_file_that_the_server_cut_off_unnoticed_keeps_nothing(tiny_preset, server, cache):
    server.files["number-1"] = server.files["number-1"][:-10]
    with pytest.raises(UserError, match="/number-1: expected a whole file of weights"):
        fetch_preset(tiny_preset)
    assert kept(cache) == []


PAGE = b"\n<!DOCTYPE html><html><body>Too large to scan for viruses. Download anyway?</body></html>"


def test_a_web_page_in_place_of_a_file_is_reported(server, cache):
    pytest.importorskip("torch")  # the package that reads the file is required before the download
    server.files["tiny.pth"] = PAGE
    with pytest.raises(UserError, match=r"/tiny\.pth: expected a file of weights, got a web page"):
        fetch("tiny.pth", f"{server.address}/tiny.pth")
    assert kept(cache) == []


def test_gdown_fetches_files_for_which_drive_asks_for_a_confirmation(tiny_preset, server, cache, monkeypatch):
    content, server.files["number-1"] = server.files["number-1"], PAGE
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(UserError, match=r"pip install .keras_centernet\[drive\]..,? or fetch it by hand to .*" + FILE):
        fetch_preset(tiny_preset)
    asked = []

    def download(id, output, quiet):
        asked.append(id)
        with open(output, "wb") as file:
            file.write(content)

    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=download))
    assert fetch_preset(tiny_preset).read_bytes() == content
    assert asked == ["number-1"]
    assert kept(cache) == [FILE, f"{FILE}.sha256"]


def test_without_a_connection_one_line_says_what_to_fetch_and_where_to_put_it(tiny_preset, server, cache):
    content = server.files.pop("number-1")
    with pytest.raises(UserError) as caught:
        fetch_preset(tiny_preset)
    (line,) = str(caught.value).splitlines()
    assert f"Fetch https://drive.google.com/file/d/number-1/view by hand, put it there as {cache / FILE}" in line
    (cache / FILE).write_bytes(content)
    assert fetch_preset(tiny_preset) == cache / FILE
    assert (cache / f"{FILE}.sha256").exists()


def test_a_file_put_there_by_hand_is_checked(tiny_preset, cache):
    cache.mkdir(parents=True)
    (cache / FILE).write_bytes(PAGE)
    with pytest.raises(UserError, match=f"{FILE}: expected a file of weights, got a web page"):
        fetch_preset(tiny_preset)
    assert kept(cache) == [FILE]


@pytest.mark.parametrize("kind", ["folder", "file", "http"])
def test_a_mirror_has_the_files_under_their_names(tiny_preset, server, cache, tmp_path, monkeypatch, kind):
    mirror = tmp_path / "my mirror"
    mirror.mkdir()
    content = server.files.pop("number-1")
    (mirror / FILE).write_bytes(content)
    server.files[FILE] = content
    places = {"folder": str(mirror), "file": mirror.as_uri(), "http": f"{server.address}/weights/"}
    monkeypatch.setenv("KERAS_CENTERNET_MIRROR", places[kind])
    assert fetch_preset(tiny_preset).read_bytes() == content


def test_another_kind_of_mirror_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_CENTERNET_MIRROR", "gs://bucket/weights")
    with pytest.raises(UserError, match="KERAS_CENTERNET_MIRROR: expected a folder, or an address of http, https or"):
        mirrored(FILE)


def test_an_unknown_suffix_is_refused(server, cache):
    server.files["weights.bin"] = b"something"
    with pytest.raises(UserError, match=r"weights\.bin: expected a name that ends in \.keras, \.h5, \.pth"):
        fetch("weights.bin", f"{server.address}/weights.bin")
