"""Texts as terminals show them: at most two lines, no control characters, and widths of wide characters."""

import pytest

from keras_centernet.drawing.text_table import align
from keras_centernet.texts import LONG_VALUE, TWO_LINES, cells, in_two_lines, printable, repr_of, shorten


def columns_without_paths(line):
    return cells(" ".join(word for word in line.split(" ") if "/" not in word))


@pytest.mark.parametrize(
    ("name", "line", "parts"),
    [
        ("short", "prog: epochs: expected 3, got 4.", ["prog: epochs: expected 3, got 4."]),
        ("a long word", f"prog: expected a name, got {'x' * 5000}.", ["expected a name, got xxx", "(5001 characters)"]),
        (
            "a list of names",
            f"prog: expected one of {', '.join(f'network_{i}' for i in range(40))}; got 'help'.",
            ["expected one of network_0, network_1, ", "(40 in all); got 'help'."],
        ),
        ("a long received value", f"prog: expected a name, got {'word ' * 90}. Do this.", ["got word", ". Do this."]),
        (
            "a long expectation",
            f"prog: expected {'this or that, ' * 30}got 'nothing'. Name a file.",
            ["prog: expected this or that", " ..., got 'nothing'. Name a file."],
        ),
        ("only prose", "word " * 100 + "end. Do this.", ["word word", "... Do this."]),
        ("wide signs", f"prog: expected a name, got {'猫' * 120}.", ["prog: expected a name, got 猫"]),
        ("lines", "prog: one\ntwo\x1b[31m\udce9", ["prog: one\\ntwo\\x1b[31m\\udce9"]),
        ("paths", f"prog: /a/{'b' * 150}: expected a file. Look into /c/{'d' * 150}.", ["b" * 150, "d" * 150]),
    ],
)
def test_two_lines(name, line, parts):
    said = in_two_lines(line)
    assert columns_without_paths(said) <= TWO_LINES
    assert printable(said) == said
    for part in parts:
        assert part in said


def test_a_path_of_thousands_of_characters_is_shortened_too():
    assert len(in_two_lines(f"prog: /{'a' * 5000}: expected a file.")) < 2 * TWO_LINES


@pytest.mark.parametrize("length", [0, 1, LONG_VALUE - 1, LONG_VALUE, LONG_VALUE + 1, 1000])
def test_shortened_texts_fit_and_keep_their_beginning(length):
    text = "a" + "b" * (length - 2) + "c" if length > 1 else "a" * length
    short = shorten(text)
    assert len(short) <= LONG_VALUE
    assert (short == text) == (length <= LONG_VALUE)
    assert short[:1] == text[:1]


@pytest.mark.parametrize(
    ("text", "shown", "columns"),
    [
        ("cat", "cat", 3),
        ("猫", "猫", 2),
        ("ｃａｔ", "ｃａｔ", 6),  # noqa: RUF001
        ("café", "café", 4),
        ("cafe\u0301", "cafe\u0301", 4),
        ("a\u200db", "a\u200db", 2),
        ("\u202ereversed", "\\u202ereversed", 14),
        ("tab\tend", "tab\\tend", 8),
        ("\udce9", "\\udce9", 6),
        ("\u2028", "\\u2028", 6),
    ],
)
def test_signs(text, shown, columns):
    assert printable(text) == shown
    assert cells(printable(text)) == columns


def test_values():
    assert repr_of("x") == "'x'"
    assert repr_of(10**5000) == "a number of thousands of digits"


def test_tables_of_names_of_any_script_and_of_numbers_are_aligned():
    names = ("class", "007", "猫", "cafe\u0301", "a\nb", "None", "ｃ")  # noqa: RUF001
    table = align([(name, "1.5", name) for name in names])
    lines = table.splitlines()
    assert len(lines) == len(names) + 1
    assert {cells(line) for line in lines} == {cells(lines[0])}
