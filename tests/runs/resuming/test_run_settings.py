"""A run's settings are kept in its folder and are used when it is resumed."""

import argparse
import dataclasses
import json

import pytest

from keras_centernet import UserError
from keras_centernet.cli import train as command
from keras_centernet.runs.resuming.run_settings import settings_of_run
from keras_centernet.runs.settings import TrainSettings

BEFORE = TrainSettings(
    "photos",
    output="before",
    classes=("cat", "dog"),
    input_size=(64, 96),
    epochs=7,
    loss_weights={"size": 0.2},
    hsv=(0.1, 0.2, 0.3),
    gpus=2,
    overwrite=True,
)


@pytest.fixture
def folder(tmp_path):
    """The folder of a run with several kinds of settings and an unknown key from another version."""
    config = dataclasses.asdict(BEFORE) | {"chosen_classes": ["cat", "dog"], "data_fingerprint": {}, "later": 1}
    (tmp_path / "config.json").write_text(json.dumps({"keras_centernet_run": 1} | config))
    return tmp_path


def typed(line):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.build_settings(parser.parse_args(line.split()))


def resumed(folder, **changes):
    return dataclasses.replace(BEFORE, output=str(folder), resume=True, overwrite=False, **changes)


def test_all_settings_are_restored_except_resume_and_overwrite(folder):
    assert settings_of_run(folder) == resumed(folder)


def test_a_missing_value_of_an_older_version_is_the_default(folder):
    """Version 0.1.0 wrote `"tpu": null`, where there is only true and false now."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tpu": None}))
    assert settings_of_run(folder) == resumed(folder)


@pytest.mark.parametrize("line", ["--resume {}", "--output {} --resume", "--resume {} --output {}/"])
def test_the_command_needs_the_folder_only(line, folder):
    settings = typed(line.format(folder, folder))
    assert dataclasses.replace(settings, output=str(folder)) == resumed(folder)


def test_a_resumed_run_keeps_its_recipe(folder):
    assert typed(f"--resume {folder} --recipe none").recipe is None  # it has none
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"recipe": "detection"}))
    assert typed(f"--resume {folder}").recipe == "detection"
    with pytest.raises(UserError, match="--resume: expected that of the run, detection, or no --recipe, got none"):
        typed(f"--resume {folder} --recipe none")


def test_typed_options_replace_those_of_the_run(folder):
    settings = typed(f"--resume {folder} --epochs 9 --data pictures --loss-weight offset=2 --classes cat")
    changes = {"epochs": 9, "data": "pictures", "loss_weights": {"size": 0.2, "offset": 2}, "classes": ("cat",)}
    assert settings == resumed(folder, **changes)


def test_typed_devices_replace_those_of_the_run(folder):
    assert typed(f"--resume {folder} --tpu") == resumed(folder, gpus=None, tpu=True)


def test_options_added_since_the_run_keep_their_old_behaviour(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["deformable_rate"], config["backend"]
    (folder / "config.json").write_text(json.dumps(config))
    assert TrainSettings("photos").deformable_rate < 1
    assert settings_of_run(folder) == resumed(folder, deformable_rate=1.0, backend="tensorflow")


def test_classes_that_nobody_chose_are_read_from_the_data_again(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"chosen_classes": None}))
    assert settings_of_run(folder).classes is None
    del config["chosen_classes"]  # as written by version 0.1.0
    (folder / "config.json").write_text(json.dumps(config))
    assert settings_of_run(folder).classes == ("cat", "dog")


def test_naming_the_recipe_again_keeps_the_runs_settings(tmp_path):
    def of_recipe(line):
        return typed(f"--data coco --output {tmp_path} --recipe coco_dla34_1x {line}")

    first = of_recipe("--batch-size 4")
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(first) | {"classes": ["car"]}))
    assert of_recipe("--resume") == dataclasses.replace(first, resume=True, classes=("car",))
    assert of_recipe("--resume --batch-size 8").batch_size == 8


MISTAKES = {
    "no run": (None, "--resume {0}", "--resume: expected the folder of a run, got .* without config.json"),
    "a value of no option": ({"epochs": -1}, "--resume {0}", "config.json: epochs: expected a whole number"),
    "two folders": ({}, "--resume {0} --output other", "--resume: expected no output beside .*, got other"),
    "nothing to resume": (None, "--resume", "expected --data, missing; see --help"),
}


@pytest.mark.parametrize(("config", "line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(config, line, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps({"data": "photos"} | config))
    with pytest.raises(UserError, match=message):
        typed(line.format(tmp_path))
