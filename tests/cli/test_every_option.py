"""Every option of every command, given nonsense: exit code 0, or 2 with one message of at most two terminal lines.

The data and models that the commands name do not exist, so a command with valid options ends before it does any work.
"""

import argparse
import os
import pathlib
import re

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_centernet.cli import COMMANDS, main
from keras_centernet.cli.arguments import NAMES_OF_YOLO, Parser
from keras_centernet.texts import TWO_LINES, cells, printable

NOWHERE = "nowhere/at.all"
NONSENSE = {
    "nothing": "",
    "not a number": "nan",
    "infinite": "inf",
    "minus infinite": "-inf",
    "negative": "-1",
    "beyond floats": "1e999",
    "long": "x" * 5000,
    "another script's digit": "²",
    "not UTF-8": "\udce9",
    "dashes": "--",
    "zero": "0",
    "beyond int64": "9" * 30,
    "more digits than Python reads": "9" * 5000,
    "control characters": "\x1b[31m\n\r\x00",
    "a fraction": "1.5",
    "a list": ",,=x,",
    "deep JSON": "x=" + "[" * 3000,
}


@pytest.fixture(autouse=True)
def no_trace(monkeypatch):
    """Disables --deterministic, which would stay on for the whole test process."""
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)


def options_of(command):
    """The options and arguments of a command from its parser: {flag: action}, and the arguments' names."""
    parser = Parser(prog=command)
    COMMANDS[command].add_arguments(parser)
    actions = [one for one in parser._actions if not isinstance(one, argparse._HelpAction)]
    flags = {one.option_strings[0]: one for one in actions if one.option_strings}
    return flags, [one.dest for one in actions if not one.option_strings]


def command_line(command, flags, arguments, flag, value):
    """The command with that option, and with its required options, which name nothing that exists."""
    line = [command]
    for name, action in flags.items():
        # A resumed run knows its data, so the parser does not require --data.
        if (action.required or name == "--data") and name != flag:
            line += [name, NOWHERE]
    line += [value if name == flag else NOWHERE for name in arguments]
    if flag in flags:
        # With "=" any text is taken as the option's value. Some options take no value.
        line.append(f"{flag}={value}" if flags[flag].nargs != 0 else flag)
    return line


def check(command, line, capfd):
    """Runs a command in this process; it must end with 0, or with 2 and one short line."""
    try:
        code = main(line)
    except SystemExit as end:
        code = end.code
    printed = capfd.readouterr()
    assert code in (0, 2), (line, code)
    assert "Traceback" not in printed.err, line
    if code == 2:
        said = [text for text in printed.err.splitlines() if text.startswith("keras-centernet: ")]
        assert len(said) == 1, (line, printed.err)
        without_paths = " ".join(word for word in said[0].split(" ") if "/" not in word)
        assert cells(without_paths) <= TWO_LINES, said
        assert len(said[0]) <= 2 * TWO_LINES, said
        assert said[0] == printable(said[0])
    return code


CASES = {}
for _command in COMMANDS:
    _flags, _arguments = options_of(_command)
    CASES |= {(_command, name): (_flags, _arguments) for name in (*_flags, *_arguments)}
# Some values in NONSENSE are valid for these commands, which would do real work, up to a whole training.
ALONE = {"demo", "models", "recipes"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Makes an empty folder the current one and checks that no file is written in it."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert [name for _, _, files in os.walk(tmp_path) for name in files] == []


@pytest.mark.parametrize(("command", "name"), CASES)
def test_nonsense_is_one_line(command, name, capfd, monkeypatch):
    if command in ALONE:
        monkeypatch.setattr(COMMANDS[command], "run", lambda args: None)
    flags, arguments = CASES[command, name]
    if command == "networks":  # "--" gives no name, so all networks would be listed
        monkeypatch.delitem(NONSENSE, "dashes")
    for value in NONSENSE.values() if name in arguments or flags[name].nargs != 0 else [""]:
        check(command, command_line(command, flags, arguments, name, value.replace("\x00", "")), capfd)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "expected COMMAND, missing; see --help."),
        (["train"], "expected --data, missing; see --help."),
        (["train", "--data"], "--data: expected a value, got none; see --help."),
        (["train", "--data", "x", "--epochs", "x"], "--epochs: expected a whole number of at least 1, got 'x'."),
        (["train", "--data", "x", "--strict=yes"], "--strict: expected no value, got 'yes'."),
        (["train", "--data", "x", "--epoch", "3", "--epocs", "3"], "expected the options that --help lists, got --epo"),
        (["predict", "x", "--", "--modell"], "expected --model, missing; see --help."),
        (["train", "--data", "x", "--schedule", "wave"], "--schedule: expected one of cosine, step, constant, got 'wa"),
        (["trein"], "COMMAND: expected one of"),
        (
            ["predict", "x", "--model", "x", "--frames", "-1"],
            "--frames: expected a whole number of at least 1, got -1.",
        ),
        (
            ["export", "--model", "x", "--top-k", "0"],
            "--top-k: expected a whole number of at least 1 and at most 10000",
        ),
        (["evaluate", "--model", "x", "--data", "x", "--scales", "1e9"], "--scales: expected a number of at least"),
        (
            ["evaluate", "--model", "x", "--data", "x", "--scales", "1,1"],
            "--scales: expected different numbers such as",
        ),
        (["inspect", "--data", "x", "--input-size", "32000000"], "--input-size: expected a positive multiple of 32 or"),
        (["demo", "--seed", "-1"], "--seed: expected a whole number of at least 0 and at most 4294967295, got -1."),
        (
            ["train", "--data", "x", "--average-decay", "2"],
            "--average-decay: expected a number of at least 0 and below",
        ),
        (
            ["train", "--data", "x", "--hsv", "0,nan,0"],
            "--hsv: expected a number of at least 0 and at most 1, got nan.",
        ),
        (["make-tfrecords", "--data", "x", "--output", "x", "--workers", "-3"], "--workers: expected a whole number"),
    ],
)
def test_the_message_of_a_mistake(line, said, capfd):
    assert main(line) == 2
    assert capfd.readouterr().err.startswith(f"keras-centernet: {said}")


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("train --data shapes --epoch 1", "--epoch 1. Did you mean --epochs?"),
        ("train --data shapes --epoch=1", "--epoch=1. Did you mean --epochs?"),
        ("evaluate --mod x", "--mod. Did you mean --model?"),
        ("predict x --modell x", "--modell. Did you mean --model?"),
        ("train --imgsz 128", "--imgsz 128. Did you mean --input-size?"),
        ("export --model x --imgsz=9", "--imgsz=9. docs/words.md lists the names of YOLO's options."),
        ("train photos/", "photos/. Did you mean --data photos/?"),
        ("train data=x epochs=3", "data=x epochs=3. Did you mean --data x?"),
        ("train imgsz=3 --data x", "imgsz=3. Did you mean --input-size 3?"),
        ("train --data x y", "y."),
        ("train --data x --qqqq", "--qqqq."),
    ],
)
def test_unknown_options_are_refused_with_the_one_that_is_meant(line, got, capfd):
    assert main(line.split()) == 2
    assert capfd.readouterr().err == f"keras-centernet: expected the options that --help lists, got {got}\n"


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("val --model x", "evaluate"),
        ("detect x", "predict"),
        ("trein", "train"),
        ("train --data shapes --backbone mobile_smal", "mobile_small"),
        ("train --data shapes --schedule Cosin", "cosine"),
        ("export --model x --format onx", "onnx"),
        ("predict {photos} --model dla34_coc", "dla34_coco"),
        ("networks resnet81", "resnet18"),
    ],
)
def test_the_message_of_a_misspelt_name_ends_with_the_one_that_is_meant(line, ours, photos, capfd):
    assert main(line.format(photos=photos / "JPEGImages").split()) == 2
    assert capfd.readouterr().err.endswith(f". Did you mean {ours}?\n")


def test_names_of_yolo_are_those_of_the_table_of_words():
    words = (pathlib.Path(__file__).parents[2] / "docs" / "words.md").read_text()
    rows = [line.split("|") for line in words.splitlines() if line.startswith("|")]
    for yolo, ours in NAMES_OF_YOLO.items():
        assert any(re.search(rf"\b{yolo}\b", row[1]) and ours in row[-2] for row in rows), yolo


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("train --data x --backbone help", ["dla34", "mobilenet_v2"]),
        ("train --task help", ["detection", "detection_3d", "pose"]),
        ("evaluate --resize help", ["fit", "keep"]),
        ("evaluate --nms help", ["soft", "none"]),
        ("import-weights --normalization help", ["imagenet"]),
    ],
)
def test_help_as_a_value_lists_the_names(line, names, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(line.split())
    assert set(names) <= set(capsys.readouterr().out.split())


def test_help_shows_no_placeholders_of_missing_defaults(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        printed = " ".join(capsys.readouterr().out.split())
        assert "MISSING" not in printed
        assert "==SUPPRESS==" not in printed


@pytest.mark.slow
@settings(
    max_examples=1500,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    case=st.sampled_from(sorted(CASES)),
    value=st.one_of(
        st.text(st.characters(exclude_characters="\x00"), max_size=200),
        st.integers().map(str),
        st.floats().map(str),
        st.from_regex(r"[0-9x,./=:\[\]{}\"-]{1,40}", fullmatch=True),
    ),
)
def test_any_text_for_any_option(case, value, capfd):
    (command, name), (flags, arguments) = case, CASES[case]
    with pytest.MonkeyPatch.context() as patch:
        if command in ALONE:
            patch.setattr(COMMANDS[command], "run", lambda args: None)
        check(command, command_line(command, flags, arguments, name, value), capfd)
