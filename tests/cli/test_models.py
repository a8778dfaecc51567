"""The list of models, and commands that take a model by name."""

import json

import keras
import numpy as np
import pytest

from keras_centernet.cli import main
from keras_centernet.weights import presets
from keras_centernet.weights.presets import PRESETS, Preset
from tests.helpers.tiny_backbone import TINY
from tests.helpers.weights_server import serving
from tests.weights.test_published import published_tensors, write_safetensors

COST = (1234, 0.5, 2)


@pytest.fixture
def pets(tiny_model, tmp_path, monkeypatch):
    """A small preset, served from this machine."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("KERAS_CENTERNET_MIRROR", raising=False)
    row = Preset(
        TINY, "detection", ("cat", "dog"), "p.safetensors", "n", {"AP": {"none": 1.5}}, "none", COST, input_size=64
    )
    monkeypatch.setitem(PRESETS, "tiny_pets", row)
    with serving() as server:
        monkeypatch.setattr(presets, "DRIVE", server.address + "/{}")
        content = write_safetensors(tmp_path / "p.safetensors", published_tensors(tiny_model()))
        server.files["n"] = content.read_bytes()
        yield row


def test_the_list_says_what_a_model_is_in_a_hundred_columns(pets, capsys):
    assert main(["models"]) == 0
    head, rule, *rows, empty, more = capsys.readouterr().out.splitlines()
    assert head.split() == ["model", "task", "input", "parameters", "GFLOP", "MB", "licence", "published"]
    assert len(rows) == len(PRESETS)
    assert max(map(len, (head, rule, *rows, empty, more))) <= 100
    words = {row.split()[0]: row.split()[1:] for row in rows}
    assert words["tiny_pets"] == ["detection", "64x64", "0.0", "M", "0.5", "2", "MIT", "AP", "1.5", "(none)"]
    assert words["resnet18_voc_384"][-3:] == ["mAP50", "72.6", "(flip)"]
    assert words["dla34_kitti_3dop"][1] == "384x1280"


def test_a_name_is_told_all_that_is_known_of_the_model(pets, capsys):
    assert main(["models", "tiny_pets", "dla34_coco"]) == 0
    tiny, dla34 = capsys.readouterr().out.split("dla34_coco\n")
    facts = dict(line.strip().split(maxsplit=1) for line in tiny.splitlines()[1:])
    assert facts["classes"] == "cat, dog"
    assert facts["parameters"] == "1,234"
    assert facts["AP"] == "none=1.5"
    assert "AP               none=37.4, flip=39.2, multi_scale=41.7" in dla34
    assert max(map(len, dla34.splitlines())) <= 100
    classes = " ".join(dla34.partition("classes")[2].partition("  input ")[0].split())
    assert classes.split(", ") == list(PRESETS["dla34_coco"].classes)


def test_an_unknown_name_lists_the_known_ones(capsys):
    assert main(["models", "dla35"]) == 2
    assert "Unknown model: expected one of dla34_coco, " in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--shard", "0/1"]])
def test_predict_takes_a_name(pets, tmp_path, more, capsys):
    image = tmp_path / "street.png"
    keras.utils.save_img(image, np.zeros((50, 70, 3), "uint8"))
    output = tmp_path / "found"
    assert main(["predict", str(image), "--model", "tiny_pets", "--output", str(output), *more]) == 0
    if not more:
        assert len(json.loads((output / "detections.json").read_text())) == 1


def test_evaluate_takes_a_name(pets, photos, tmp_path, capsys):
    metrics = tmp_path / "metrics.json"
    assert main(["evaluate", "--model", "tiny_pets", "--data", str(photos), "--output", str(metrics)]) == 0
    assert json.loads(metrics.read_text())["images"] == 4


def test_a_wrong_name_is_one_line(tmp_path, capsys):
    assert main(["predict", "x.png", "--model", "dla34_cocoa", "--output", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
