"""The Python of the docs runs, a page from its first line to its last, as a reader would type it."""

import contextlib
import pathlib
import pkgutil
import re

import keras
import numpy as np
import pytest

import keras_centernet
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
        yield


def run_page(page: str) -> dict:
    """Runs the blocks of a page in one namespace and returns it; errors name the page and the line."""
    text, names = (DOCS / page).read_text(), {"__name__": "page"}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], DOCS / page, "exec"), names)
    return names


@pytest.mark.slow
def test_extending(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = run_page("extending.md")
    assert names["history"]["loss"][-1] < names["history"]["loss"][0]
    assert np.isfinite(names["history"]["direction_loss"]).all()
    assert names["found"].turns.shape == names["found"].scores.shape
    assert 0 <= names["report"].metrics["turn_error"] <= 180
    assert (tmp_path / "arrows.npz").exists()


@pytest.mark.slow
def test_how_it_works():
    run_page("how_it_works.md")


def test_the_reference_has_every_public_name():
    shown = re.findall(r"^::: (keras_centernet\.[\w.]+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)
    objects = [pkgutil.resolve_name(":".join(name.rsplit(".", 1))) for name in shown]
    for name in keras_centernet.__all__:
        assert any(each is getattr(keras_centernet, name) for each in objects), name
