"""Recipes through the command: the list, which options override which, and what a run records."""

import argparse
import dataclasses
import json

import pytest

from keras_centernet.cli import main, train
from keras_centernet.runs.recipes import load_recipe, recipe_names
from keras_centernet.runs.settings import TrainSettings
from tests.helpers.tiny_backbone import TINY

MINE = f"""
[train]
backbone = "{TINY}"
input_size = 64
batch_size = 3
epochs = 4
optimizer = "adam"
learning_rate = 1e-3
schedule = "step"
step_epochs = [1, 3]
evaluate_every = 1
average_decay = 0
empty_images = false
normalization = "published_voc_kitti"
"""


def settings(*arguments):
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.build_settings(parser.parse_args(["--data", "photos", *arguments]))


def test_the_list_has_a_row_per_recipe(capsys):
    assert main(["recipes"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["recipe", "backbone", "input", "batch", "epochs", "here", "reached"]
    assert [row.split()[0] for row in rows] == recipe_names()
    lines = {row.split()[0]: " ".join(row.split()[1:]) for row in rows}
    assert lines["coco_dla34_1x"] == (
        "dla34 512x512 128 140 not trained here AP 36.3 / 38.2 / 40.7 (none / flip / multi_scale)"
    )
    assert lines["kitti_3dop"] == (
        "dla34 384x1280 16 70 not trained here AP 96.9 / 87.8 / 79.2, AOS 93.9 / 84.3 / 75.7, "
        "BEV 34.0 / 30.5 / 26.8 (easy / moderate / hard)"
    )


def test_without_a_recipe_the_tasks_own_is_used():
    recipe = load_recipe("detection")
    assert settings() == TrainSettings(data="photos", recipe="detection", **recipe.settings)
    other = settings("--backbone", "resnet18", "--task-option", "nms=0.5")
    assert (other.backbone, other.task_options) == ("resnet18", recipe.settings["task_options"] | {"nms": 0.5})
    assert settings("--task", "pose") == TrainSettings(data="photos", task="pose")


@pytest.mark.parametrize("arguments", ["--recipe none", "--weights dla34.keras", "--recipe none --weights a.keras"])
def test_own_weights_or_recipe_none_give_the_default_settings(arguments):
    weights = arguments.rpartition("--weights ")[2] if "--weights" in arguments else None
    assert settings(*arguments.split()) == TrainSettings(data="photos", weights=weights)


def test_a_recipe_without_its_weights():
    recipe = load_recipe("coco_dla34_1x").settings
    assert recipe["backbone_weights"] is not None
    found = settings("--recipe", "coco_dla34_1x", "--backbone-weights", "none")
    whole = settings("--recipe", "coco_dla34_1x")
    assert found == dataclasses.replace(whole, backbone_weights=None)


@pytest.mark.parametrize("name", ["normalization", "flip", "hsv", "format", "step_epochs", "gpus"])
def test_none_is_no_value(name):
    assert getattr(settings(f"--{name.replace('_', '-')}", "none"), name) is None


def test_none_is_a_name_where_there_can_be_one():
    found = settings("--augmentation", "none", "--classes", "none")
    assert (found.augmentation, found.classes) == ("none", ("none",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--epochs none", "--epochs: expected a whole number"),
        ("--color none", "expected the options that --help lists, got none"),
    ],
)
def test_other_options_refuse_none(options, message, capsys):
    assert main(["train", "--data", "photos", *options.split()]) == 2
    assert message in capsys.readouterr().err


def test_no_weights_leave_the_usual_recipe():
    assert settings("--weights", "none") == settings()


@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_typed_wins_even_where_it_is_a_default(is_first):
    recipe = ["--recipe", "kitti_3dop"]
    typed = ["--epochs", "100", "--color", "--seed", "0", "--task-option", "radius=geometric"]
    found = settings(*(recipe + typed if is_first else typed + recipe))
    assert (found.epochs, found.color, found.seed) == (100, True, 0)
    assert found.task_options == {
        "radius": "geometric",
        "averages": "published",
        "ignore": "center",
        "projection": False,
    }
    assert (found.batch_size, found.input_size, found.step_epochs) == (16, (384, 1280), (45, 60))
    assert (found.recipe, found.output) == ("kitti_3dop", "runs/kitti_3dop")
    assert settings(*recipe, "--output", "elsewhere", "--step-epochs", "20,30").output == "elsewhere"
    assert settings(*recipe, "--step-epochs", "20,30").step_epochs == (20, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--recipe dla", "--recipe: expected one of coco_dla34_1x, "),
        ("--recipe nowhere.toml", "nowhere.toml: expected a file, got none"),
        ("--recipe voc_dla34_384 --epochs 50", "step_epochs: expected ascending numbers below epochs, 50, got 45, 60"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    assert main(["train", "--data", "photos", *arguments.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.slow
def test_a_run_of_a_recipe_remembers_it(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(MINE)
    command = ["train", "--data", str(photos), "--recipe", "mine.toml", "--epochs", "2", "--step-epochs", "1"]
    assert main(command) == 0
    config = json.loads((tmp_path / "runs" / "mine" / "config.json").read_text())
    assert (config["recipe"], config["epochs"], config["step_epochs"]) == ("mine", 2, [1])
    assert config["normalization"] == "published_voc_kitti"
    with open(tmp_path / "runs" / "mine" / "history.csv") as file:
        names, *rows = (line.strip().split(",") for line in file)
    rates = [float(row[names.index("learning_rate")]) for row in rows]
    assert rates == pytest.approx([1e-3, 1e-4], rel=1e-3)
    assert main([*command, "--resume", "--normalization", "imagenet"]) == 2
    assert "--resume: expected normalization 'published_voc_kitti'" in capsys.readouterr().err
