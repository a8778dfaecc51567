"""Lines that fit the terminal's columns."""

import pytest

from keras_centernet.terminal.layout import duration, fit, titled, wrap
from keras_centernet.texts import cells


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 10, [""]),
        ("one two", 10, ["one two"]),
        ("one two three", 7, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a 猫猫猫", 4, ["a", "猫猫", "猫"]),
        ("e\u0301e\u0301e\u0301", 2, ["e\u0301e\u0301", "e\u0301"]),
        ("a\x1b[31m", 20, ["a\\x1b[31m"]),
    ],
)
def test_wrapping(text, columns, lines):
    assert wrap(text, columns) == lines
    assert all(cells(line) <= columns for line in lines)


def test_titles():
    assert titled({"one": "a b", "two": "c"}, 13) == "one        a\n           b\ntwo        c"


@pytest.mark.parametrize(("text", "fitted"), [("abc", "abc"), ("abcdefgh", "abc..."), ("猫猫猫猫", "猫...")])
def test_fitting(text, fitted):
    assert fit(text, 6) == fitted


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99, "99 s"), (100, "2 min"), (3570, "1 h 0 min"), (90000, "1 d 1 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
