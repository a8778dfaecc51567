"""The command line: its help, users' mistakes, and scripts that do the same as the commands."""

import pathlib
import subprocess
import sys

import pytest

import keras_centernet
from keras_centernet.cli import COMMANDS, main
from keras_centernet.runs.options import options_of
from keras_centernet.runs.settings import TrainSettings

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"keras-centernet {name} " in capsys.readouterr().out.split("example")[1]


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_scripts_are_the_commands(name):
    script = [sys.executable, ROOT / "training" / f"{name}.py", "--help"]
    ours = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert COMMANDS[name].EXAMPLES.splitlines()[1].strip() in ours


HELP = """
import sys
from keras_centernet import cli
try:
    cli.main(sys.argv[1:])
except SystemExit:
    print([name for name in ("keras", "tensorflow", "cv2") if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [[], ["train"], ["evaluate"]])
def test_help_imports_no_heavy_library(arguments):
    command = [sys.executable, "-c", HELP, *arguments, "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "export", "make-tfrecords"])
def test_commands_that_read_models_or_data_have_the_import_option(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert "--import MODULE" in capsys.readouterr().out


def test_every_option_of_a_run_has_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    for row in options_of(TrainSettings).values():
        assert row.flag in words
        assert row.help
        assert row.text in words


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("no such data", "train --data nowhere --output {tmp}/run", "nowhere"),
        (
            "unknown backbone",
            "train --data {photos} --batch-size 2 --backbone vgg --output {tmp}/run",
            "Unknown backbone",
        ),
        ("bad size", "train --data {photos} --input-size 100 --output {tmp}/run", "100"),
        (
            "unknown split",
            "train --data {photos} --split day --output {tmp}/run",
            "expected a split of train, val, or all, got 'day'",
        ),
        (
            "nothing to freeze",
            "train --data {photos} --batch-size 2 --backbone tiny --freeze nothing* --output {tmp}/run",
            "freeze: expected a pattern of layers of tiny",
        ),
        ("output is a file", "train --data {photos} --output {model}/run", "Not a directory"),
        ("no such model", "evaluate --model nowhere.keras --data {photos}", "nowhere.keras"),
        ("not a model", "evaluate --model {photos}/ImageSets/Main/val.txt --data {photos}", "damaged or of another"),
        ("other classes", "evaluate --model {model} --data shapes --output {tmp}/m.json", "circle"),
        ("no images", "predict --model {model} {tmp}/*.jpg --output {tmp}/out", "expected an image"),
        (
            "threshold",
            "predict --model {model} {photos}/JPEGImages --threshold 3",
            "--threshold: expected a number of at least 0 and at most 1, got 3",
        ),
        (
            "batch size",
            "predict --model {model} {photos}/JPEGImages --batch-size 0",
            "--batch-size: expected a whole number of at least 1 and at most 65536, got 0",
        ),
        ("no webcam", "predict --model {model} 77 --output {tmp}/out", "webcam 77"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(name, arguments, message, photos, model_file, tmp_path, capfd):
    arguments = arguments.format(photos=photos, model=model_file, tmp=tmp_path).split()
    assert main(arguments) == 2
    error = capfd.readouterr().err
    (line,) = [line for line in error.splitlines() if line.startswith("keras-centernet: ")]
    assert message in line
    assert "Traceback" not in error


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"keras-centernet {keras_centernet.__version__}\n"
