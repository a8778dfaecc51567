"""Damaged and hostile files in a run's folder."""

import json
import re

import pytest

from keras_centernet import UserError
from keras_centernet.data.reading.splits import TRAIN, VAL
from keras_centernet.runs.folder import RunFolder
from keras_centernet.runs.history import cut_history, first_epochs
from keras_centernet.runs.recipes import load_recipe
from keras_centernet.runs.split_file import MadeSplit, read_split


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON, got a file that is none"),
        ("[" * 100_000, "expected JSON, got one that is nested too deeply"),
        ("[]", "expected an object as its content, got []"),
        ('{"seed": 1}', "expected the key 'data' as its content, got ['seed']"),
        ('{"data": 5}', "expected a text as data, got 5"),
        ('{"data": "x", "classes": "cat"}', "expected a list as classes, got 'cat'"),
        ('{"data": "x", "classes": ["cat", 5]}', "expected a text as classes.1, got 5"),
        (
            '{"data": "x", "keras_centernet_run": 2}',
            "expected version 1, got 2 (update keras_centernet if that is newer)",
        ),
        ('{"data": "x", "data": "y"}', "the key 'data' is there twice"),
        (b'{"data": "\xff"}', "line 1: expected text in UTF-8"),
    ],
)
def test_config(folder, content, message):
    (folder / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=re.escape("config.json") + ".*" + re.escape(message)) as caught:
        folder.read_config()
    assert "\n" not in str(caught.value)


def test_a_config_of_the_first_version_has_no_version_number(folder):
    (folder / "config.json").write_text('{"data": "photos/", "epochs": 3}')
    assert folder.read_config()["epochs"] == 3


LONG = "7" * 30


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("loss\n0.5\n", "line 2 without a value in each column of the first line, epoch among them"),
        ("epoch,loss\n1\n", "line 2 without a value in each column"),
        ("epoch,loss\n1,2,3\n", "line 2 without a value in each column"),
        ("epoch,loss\none,2\n", "line 2 of epoch 'one'"),
        ("epoch,loss\n1,2\n-1,2\n", "line 3 of epoch '-1'"),
        ("epoch,loss\n²,2\n", "line 2 of epoch '²'"),
        (f"epoch,loss\n{LONG},2\n", f"line 2 of epoch '{LONG}'"),
        ("epoch,loss\n1,cat\n", "line 2 with 'cat' as 'loss'"),
        ('epoch,loss\n1,"2\n', "unexpected end of data"),
        (f"epoch,loss\n1,{'9' * 200_000}\n", "field larger than field limit"),
        (b"epoch,loss\n\xff,2\n", "line 2: expected text in UTF-8"),
    ],
)
def test_history(folder, content, message):
    (folder / "history.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"history\.csv.*" + re.escape(message)):
        cut_history(folder, 1)


def test_a_history_is_read_up_to_the_given_epoch(folder):
    (folder / "history.csv").write_text("epoch,loss,val_AP\r\n1,0.5,nan\r\n2,0.25,0.125\r\n")
    assert first_epochs(folder, 1) == [{"epoch": "1", "loss": "0.5", "val_AP": "nan"}]
    cut_history(folder, 2)
    assert len(first_epochs(folder, 9)) == 2


GOOD = {"format": "keras_centernet split", "version": 1, "data": "d", "parts": {TRAIN: ["a"], VAL: ["b"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "expected format 'keras_centernet split', got 'other'; remove it"),
        ({"version": 2}, "expected version 1, got 2"),
        ({"parts": {TRAIN: ["a"]}}, f"expected the key '{VAL}' as parts"),
        ({"parts": {TRAIN: ["a"], VAL: "b"}}, f"expected a list as parts.{VAL}, got 'b'"),
        ({"parts": {TRAIN: [1], VAL: []}}, f"expected a text as parts.{TRAIN}.0, got 1"),
        ({"data": None}, "expected a text as data, got None"),
        ({"holds_out": 5}, "as holds_out, got 5"),
        ({"path": "/etc"}, "expected no key but data, parts, holds_out as its content"),
    ],
)
def test_split(tmp_path, change, message):
    path = tmp_path / "split.json"
    path.write_text(json.dumps(GOOD | {"holds_out": None} | change))
    with pytest.raises(UserError, match=re.escape(message)):
        read_split(path)


def test_a_written_split_is_read_back(tmp_path):
    made = MadeSplit("d", {TRAIN: ("a", "ü"), VAL: ("b",)}, "train")
    made.write(tmp_path / "split.json")
    assert read_split(tmp_path / "split.json") == made
    assert read_split(tmp_path / "nothing.json") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[train]\nfreeze = " + "[" * 50_000, "expected a recipe in TOML, got one that is nested too deeply"),
        ("[train]\nepochs = 1\nepochs = 2", "expected a recipe in TOML, got other text: Cannot overwrite a value"),
        (b"[train]\nbackbone = '\xff'", "line 2: expected text in UTF-8"),
        (f"[train]\nepochs = {'9' * 5000}", "expected a recipe in TOML, got other text: Exceeds the limit"),
        (f"[train]\nepochs = '{'9' * 5000}'", "expected a whole number of at least 1, got '999"),
        ("x = 1", "expected the tables [train], [published], [commands], got 'x'"),
    ],
)
def test_recipes(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_recipe(path)
    assert len(str(caught.value)) < len(str(path)) + 240
