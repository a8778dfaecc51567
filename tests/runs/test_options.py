"""Rows of options: valid values, typed values, and the errors for others."""

import dataclasses
import math
import pathlib

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.runs.options import option, options_of
from keras_centernet.runs.parsing import parse_names, parse_number, parse_pair, parse_renames, parse_size, parse_whole
from keras_centernet.runs.settings import TrainSettings

WRONG = [3, 1.5, True, "x", None, math.nan, -math.inf, 10**12, -1, [], {}, (), object(), b"x"]
ROWS = options_of(TrainSettings)


@pytest.mark.parametrize("name", ROWS)
def test_a_value_of_another_type_is_one_line(name):
    """Most of these values are wrong for every row. Each one is either accepted or refused in one line."""
    told = []
    for value in WRONG:
        try:
            TrainSettings(**{"data": "x"} | {name: value})
        except UserError as error:
            told.append(str(error))
    assert len(told) > len(WRONG) / 2
    assert all("expected" in line and "\n" not in line for line in told)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", "3", "epochs: expected a whole number of at least 1, got '3'."),
        ("epochs", 1.5, "epochs: expected a whole number of at least 1, got 1.5."),
        ("epochs", True, "epochs: expected a whole number of at least 1, got True."),
        ("epochs", None, "epochs: expected a whole number of at least 1, got None."),
        (
            "batch_size",
            10**12,
            "batch_size: expected a whole number of at least 1 and at most 65536, got 1000000000000.",
        ),
        ("seed", -1, "seed: expected a whole number of at least 0 and at most 4294967295, got -1."),
        ("clip_norm", math.nan, "clip_norm: expected a number of at least 0 and at most 1000000000.0, got nan."),
        ("average_decay", 2, "average_decay: expected a number of at least 0 and below 1, got 2."),
        ("strict", 1, "strict: expected true or false, got 1."),
        ("data", 3, "data: expected a text, got 3."),
        ("data", "a\0b", "data: expected a text, got 'a\\x00b'."),
        ("classes", "cat", "classes: expected a list, each a text, got 'cat'."),
        ("classes", ["cat", 3], "classes: expected a text, got 3."),
        ("hsv", (0.1, 0.2), "hsv: expected 3 values, each a number of at least 0 and at most 1, got (0.1, 0.2)."),
        ("step_epochs", 90, "step_epochs: expected a list, each a whole number, got 90."),
        ("schedule", "cosin", "schedule: expected one of cosine, step, constant, got 'cosin'. Did you mean cosine?"),
        ("schedule", 3, "schedule: expected one of cosine, step, constant, got 3."),
        ("verbose", True, "verbose: expected a whole number, got True."),
        ("task_options", "radius", "task_options: expected names with values, got 'radius'."),
    ],
)
def test_the_message_for_a_wrong_value(name, value, said):
    with pytest.raises(UserError) as caught:
        TrainSettings(**{"data": "x"} | {name: value})
    assert str(caught.value) == said


def test_what_changes_no_result_may_change_in_a_resumed_run():
    assert {name for name, row in ROWS.items() if not (row.changes_result or row.may_change)} == set()


def test_values_become_plain_python_types():
    """A run writes them as JSON, and a resumed one compares them."""
    given = {"epochs": np.int64(3), "flip": np.float32(0.5), "classes": ["a"], "input_size": [64, 96]}
    settings = TrainSettings(data=pathlib.Path("photos"), **given)
    assert settings.data == "photos"
    assert (settings.classes, settings.input_size) == (("a",), (64, 96))
    assert (type(settings.epochs), type(settings.flip)) == (int, float)
    assert TrainSettings("x").input_size == 512


@dataclasses.dataclass(frozen=True)
class Rows:
    """A few rows for these tests."""

    count: int = option(1, "how many", at_least=1, at_most=9)
    share: float | None = option(None, "how much", "all", above=0, below=1)
    sizes: tuple[float, ...] = option((1.0,), "which")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("count", "3", 3), ("count", "+3", 3), ("share", "1e-3", 0.001), ("share", ".5", 0.5)],
)
def test_typed_values(name, text, value):
    assert options_of(Rows)[name].read(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[
            ("count", text)
            for text in ("", "x", "²", "٣", "1_0", "1.0", "0", "10", "-1", "9" * 5000, "0x3", "nan", " 3")
        ],
        *[("share", text) for text in ("", "x", "٣", "1_0", "0", "1", "nan", "inf", "1e999", "-0.5", "0,5")],
    ],
)
def test_typed_nonsense(name, text):
    row = options_of(Rows)[name]
    with pytest.raises(UserError, match=rf"^--{name}: expected a (whole )?number (of|above) .*, got .*\.$"):
        row.read(text)


def test_help():
    rows = options_of(Rows)
    assert [row.text for row in rows.values()] == [
        "how many (default: 1)",
        "how much (default: all)",
        "which (default: 1.0)",
    ]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_whole, "007", 7),
        (parse_number, "-1e3", -1000.0),
        (parse_size, "384x1280", (384, 1280)),
        (parse_size, "320", 320),
        (parse_names, "cat, 猫", ("cat", "猫")),
        (parse_names, "\udce7\udc8c\udcab", ("猫",)),  # typed in an ASCII locale
        (parse_names, "\udce7", ("\udce7",)),
        (parse_renames, "a=\udce7\udc8c\udcab", {"a": "猫"}),
        (parse_pair, "a=1", ("a", 1)),
        (parse_pair, "a=b=c", ("a", "b=c")),
        (parse_pair, "a=" + "[" * 9000, ("a", "[" * 9000)),
    ],
)
def test_parsing(parse, text, value):
    assert parse(text) == value
