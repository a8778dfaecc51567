"""Text files are UTF-8 on every machine: no call leaves the encoding to the locale."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(
    path for room in ("keras_centernet", "training", "export", "benchmarks") for path in ROOT.glob(f"{room}/**/*.py")
)
# {function: (position of the encoding, position of the mode) among its arguments}
CALLS = {"read_text": (0, None), "write_text": (1, None), "open": (3, 1), "fdopen": (3, 1), "TextIOWrapper": (1, None)}


def calls_without_encoding(tree):
    """Yields the lines of calls that read or write text in the locale's encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        if name not in CALLS or (name == "open" and not isinstance(node.func, ast.Name)):
            continue  # methods named `open` belong to paths, which this package opens for bytes only
        position, of_mode = CALLS[name]
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        mode = given.get("mode", node.args[of_mode] if of_mode and len(node.args) > of_mode else None)
        is_binary = isinstance(mode, ast.Constant) and "b" in mode.value
        if not is_binary and "encoding" not in given and len(node.args) <= position:
            yield node.lineno


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("open('a')", [1]),
        ("open('a', 'rb')", []),
        ("open('a', mode='w')", [1]),
        ("open('a', encoding='utf-8')", []),
        ("path.read_text()", [1]),
        ("path.read_text('utf-8')", []),
        ("path.write_text(text)", [1]),
        ("path.write_text(text, encoding='utf-8')", []),
    ],
)
def test_calls_without_an_encoding_are_found(code, lines):
    assert list(calls_without_encoding(ast.parse(code))) == lines


def test_every_text_file_has_an_encoding():
    found = {
        str(path.relative_to(ROOT)): lines
        for path in FILES
        if (lines := list(calls_without_encoding(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == {}
