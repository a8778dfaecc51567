"""Commands in their own processes: unread output, limited encodings, no home folder, and signals."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from keras_centernet.files.temporary import MARK

ROOT = pathlib.Path(__file__).parents[2]
TRAIN = "train --import with_tiny --data shapes --backbone tiny --input-size 64 --batch-size 2 --evaluate-every 1"
MODULE = """
from keras_centernet.data.formats import shapes
from tests.helpers.tiny_backbone import add_tiny_backbone
shapes.SPLIT_SIZES.update(train=12, val=4, test=4)
add_tiny_backbone()
"""
# Log lines of TensorFlow that no setting silences.
NOISE = re.compile(r"[IWE]0000 |WARNING: All log messages before absl|$")


def start(arguments, folder, environment=None, **pipes):
    """Starts a command in a folder whose module `with_tiny` adds the tests' tiny network."""
    (folder / "with_tiny.py").write_text(MODULE, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | (environment or {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "backslashreplace"} | pipes
    command = [sys.executable, "-m", "keras_centernet", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def finish(process):
    """The exit code, what was printed, and the lines of stderr that are not TensorFlow's."""
    printed, error = process.communicate(timeout=300)
    return process.returncode, printed, [line for line in (error or "").splitlines() if not NOISE.match(line)]


TERMINALS = {
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "POSIX": {"LC_ALL": "POSIX", "LANG": "C"},
    "POSIX in ASCII": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no home": {"HOME": "/nonexistent"},
    "dumb": {"TERM": "dumb", "COLUMNS": "20"},
}


@pytest.mark.parametrize("environment", TERMINALS.values(), ids=TERMINALS)
@pytest.mark.parametrize("arguments", ["recipes", "--help", "train --help"])
def test_commands_that_print(arguments, environment, tmp_path):
    code, printed, error = finish(start(arguments.split(), tmp_path, environment))
    assert (code, error) == (0, [])
    assert len(printed.splitlines()) > 10


@pytest.mark.parametrize("environment", TERMINALS.values(), ids=TERMINALS)
def test_a_mistake_with_characters_that_a_terminal_cannot_show(environment, tmp_path):
    code, _, error = finish(start(["train", "--data", "x", "--epochs", "猫"], tmp_path, environment))
    assert code == 2
    (line,) = error
    assert line.startswith("keras-centernet: --epochs: expected a whole number of at least 1, got '")


def test_head_ends_a_command_that_prints(tmp_path):
    with start(["recipes"], tmp_path) as process:
        assert process.stdout.readline().startswith("recipe")
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", ["recipes", "train --data nowhere --epochs x"])
def test_closed_streams(arguments, tmp_path):
    shell = f'exec "{sys.executable}" -m keras_centernet {arguments} >&- 2>&- <&-'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=environment, check=False, timeout=120)
    assert done.returncode == (2 if "epochs" in arguments else 0)
    assert list(tmp_path.iterdir()) == []


def train_in_shell(shell, folder, output="run"):
    """Runs a shell with $TRAIN in it; returns its stderr."""
    (folder / "with_tiny.py").write_text(MODULE, encoding="utf-8")
    run = f'"{sys.executable}" -m keras_centernet {TRAIN} --epochs 3 --output {output}'
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        ["sh", "-c", shell.replace("$TRAIN", run)],
        cwd=folder,
        env=environment,
        check=False,
        timeout=300,
        capture_output=True,
        text=True,
    )
    return [line for line in done.stderr.splitlines() if not NOISE.match(line)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", "> /dev/full"])
def test_training_goes_on_when_output_cannot_be_kept(redirection, tmp_path):
    error = train_in_shell(f"($TRAIN; echo $? > code) {redirection}", tmp_path)
    assert (tmp_path / "code").read_text(encoding="utf-8") == "0\n"
    assert {"best.keras", "last.keras", "metrics.json"} <= set(os.listdir(tmp_path / "run"))
    assert "Traceback" not in "".join(error)


@pytest.mark.parametrize(
    "goes_on",
    [pytest.param(False, marks=pytest.mark.slow), pytest.param(True, marks=pytest.mark.exhaustive)],
)
def test_training_that_nobody_reads_leaves_a_checkpoint(goes_on, tmp_path):
    error = train_in_shell("($TRAIN; echo $? > code) | sed '/^Epoch 1/q'", tmp_path)
    assert (tmp_path / "code").read_text(encoding="utf-8") == "141\n"
    (line,) = error
    assert re.match("Nobody reads the output any more. Saved after 2 of 3 epochs.*; go on with: .* --resume run$", line)
    assert "last.keras" in os.listdir(tmp_path / "run")
    if goes_on:
        assert train_in_shell("$TRAIN --resume", tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(row, id=name, marks=[] if name == "POSIX in ASCII" else pytest.mark.exhaustive)
        for name, row in TERMINALS.items()
    ],
)
def test_training_in_any_terminal(environment, tmp_path):
    arguments = f"{TRAIN} --epochs 1 --class-map circle=猫 --output run".split()
    code, printed, error = finish(start(arguments, tmp_path, environment))
    assert code == 0, error
    assert [line for line in error if "no font of this machine" not in line] == []
    assert re.search(r"^(猫|\\u732b|\\xe7\\x8c\\xab) ", printed, re.MULTILINE)
    assert "\b" not in printed


# (text that is printed before the signal, seconds between text and signal)
MOMENTS = [
    ("", 0.3),
    pytest.param("", 2.0, marks=pytest.mark.exhaustive),
    pytest.param("12 images", 0.0, marks=pytest.mark.exhaustive),
    pytest.param("network ", 0.0, marks=pytest.mark.exhaustive),
    ("Epoch  1/50", 1.0),
    pytest.param("Epoch  3/50", 0.1, marks=pytest.mark.exhaustive),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.exhaustive) for one in (signal.SIGINT, signal.SIGHUP))],
    ids=lambda number: number.name,
)
@pytest.mark.parametrize(("line", "seconds"), MOMENTS)
def test_a_training_that_gets_a_signal_ends_in_one_line_and_saves(line, seconds, number, tmp_path):
    with start([*TRAIN.split(), "--epochs", "50", "--output", "run"], tmp_path) as process:
        if line:
            assert any(line in printed for printed in process.stdout)
        time.sleep(seconds)
        process.send_signal(number)
        code, _, error = finish(process)
    word = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated", signal.SIGHUP: "The terminal is gone"}[number]
    assert (code, len(error)) == (128 + number, 1)
    assert re.match(f"{word}. (All that was finished before is on disk.|Saved after .* train --resume run)$", error[0])
    assert ("Saved" in error[0]) == ("last.keras" in os.listdir(tmp_path / "run") if line else False)
    left = os.listdir(tmp_path / "run") if (tmp_path / "run").exists() else []
    assert [name for name in left if name.startswith(MARK)] == []
    assert "last.keras" in left or line != "Epoch  3/50"


@pytest.mark.slow
def test_a_missing_webcam_is_one_line(model_file, tmp_path):
    """OpenCV's own messages do not appear."""
    command = ["predict", "999", "--import", "with_tiny", "--model", str(model_file), "--output", "out"]
    code, _, errors = finish(start(command, tmp_path))
    assert code == 2
    assert len(errors) == 1
    assert "webcam 999: expected a video that OpenCV can open" in errors[0]
