"""The Python of the docs runs, a page from its first line to its last, as a reader would type it."""

import contextlib
import pathlib
import re

import keras
import pytest

from keras_centernet import TASKS
from keras_centernet.data.formats.table import FORMATS
from keras_centernet.evaluation.metrics.table import METRICS
from keras_centernet.exporting.table import FORMATS as EXPORTS

DOCS = pathlib.Path(__file__).parents[1] / "docs"


@pytest.fixture
def tables():
    """The tables that a page may add rows to; they are as before afterwards."""
    with contextlib.ExitStack() as stack:
        for table in (TASKS, FORMATS, METRICS, EXPORTS):
            stack.callback(table.update, dict(table))
            stack.callback(table.clear)
        with keras.saving.custom_object_scope({}):
            yield


def run_page(page: str) -> dict:
    """Runs the blocks of a page in one namespace and returns it; errors name the page and the line."""
    text, names = (DOCS / page).read_text(), {"__name__": "page"}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], DOCS / page, "exec"), names)
    return names


def test_extending(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_page("extending.md")
    assert names["history"]["direction_loss"][1] < names["history"]["direction_loss"][0]
    assert names["found"].turns.shape == names["found"].scores.shape
    assert 0 <= names["report"].metrics["turn_error"] <= 180
    assert (tmp_path / "arrows.npz").exists()
