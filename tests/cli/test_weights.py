"""The commands of networks and weights, as a user types them."""

import numpy as np
import pytest

from keras_centernet import load_model
from keras_centernet.cli import main
from tests.helpers.tiny_backbone import TINY
from tests.weights.test_published import published_tensors, write_safetensors


@pytest.fixture
def checkpoint(tmp_path, tiny_model):
    tensors = published_tensors(tiny_model("resnet18_plain"))
    more = {"fc.weight": np.zeros((3, 2), "float32")}
    return write_safetensors(tmp_path / "published.safetensors", tensors | more)


@pytest.mark.slow
def test_import_weights_leaves_a_model_that_detects(checkpoint, tmp_path, capsys):
    output = tmp_path / "ours.keras"
    command = ["import-weights", str(checkpoint), str(output), "--classes", "cat,dog", "--input-size", "64x96"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "unused: fc.weight" in printed
    assert "resnet18_plain, detection of 2 classes, 15," in printed
    assert "input 64x96, " in printed
    model = load_model(output)
    assert model.classes == ("cat", "dog")
    assert len(model.detect([np.zeros((50, 70, 3), np.uint8)], threshold=0)) == 1


def test_import_weights_refuses_in_one_line_and_leaves_nothing(checkpoint, tmp_path, capsys):
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    assert main(["import-weights", str(checkpoint), str(tmp_path / "ours.keras")]) == 2
    assert "expected a safetensors file, could not be read" in capsys.readouterr().err
    assert main(["import-weights", str(checkpoint), str(tmp_path / "ours.h5")]) == 2
    assert "expected a name that ends in .keras" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.keras"))


def test_networks_prints_a_row_per_network(capsys):
    assert main(["networks", "resnet18", "mobilenet_v2"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["network", "parameters", "GFLOP", "at", "512", "stride", "deformable", "exported", "to"]
    assert [row.split()[:5] for row in rows] == [
        ["resnet18", "14,437,349", "26.6", "4", "yes"],
        ["mobilenet_v2", "2,888,996", "7.5", "4", "no"],
    ]
    assert main(["networks", TINY]) == 0  # a row that states no costs
    assert capsys.readouterr().out.splitlines()[1].split()[1:3] == ["-", "-"]
    assert main(["networks", "resnet19"]) == 2
    assert "Unknown network: expected one of dla34" in capsys.readouterr().err
