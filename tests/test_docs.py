"""The Python code of the docs runs, page by page from top to bottom, as a reader would type it."""

import contextlib
import importlib
import pathlib
import pkgutil
import re
import sys

import keras
import numpy as np
import pytest

import keras_centernet
from keras_centernet import TASKS, load_model
from keras_centernet.cli import main
from keras_centernet.data.formats.table import FORMATS
from keras_centernet.evaluation.metrics.table import METRICS
from keras_centernet.exporting.table import FORMATS as EXPORTS
from tests.helpers.tiny_backbone import deformable_backbone

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PYTHON = r"^```python\n(.*?)^```$"


@pytest.fixture
def tables():
    """Restores the tables that a page may add rows to."""
    with contextlib.ExitStack() as stack:
        for table in (TASKS, FORMATS, METRICS, EXPORTS):
            stack.callback(table.update, dict(table))
            stack.callback(table.clear)
        yield


def run_page(page: str, **names) -> dict:
    """Runs the blocks of a page in one namespace, `names`, and returns it; errors name the page and the line."""
    text, names = (DOCS / page).read_text(), {"__name__": "__main__"} | names
    for block in re.finditer(PYTHON, text, re.MULTILINE | re.DOTALL):
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
def test_extending_from_the_command_line(tables, tmp_path, monkeypatch):
    """The page's code is saved as its module, which a command imports; its images are drawn beforehand."""
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "extending.md").read_text()
    (tmp_path / "arrows.py").write_text("\n".join(re.findall(PYTHON, page, re.MULTILINE | re.DOTALL)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "arrows", module := importlib.import_module("arrows"))
    assert not (tmp_path / "0.png").exists()  # an import only defines
    module.write_arrows(".", 10)
    (command,) = re.findall(r"^keras-centernet (train .*)$", page, re.MULTILINE)
    assert main([*command.split(), "--output", "run"]) == 0
    assert load_model("run/best.keras").detect("0.png", threshold=0.0)[0].turns.shape


@pytest.mark.slow
def test_how_it_works():
    run_page("how_it_works.md")


def test_questions(tiny_model):
    model = tiny_model(deformable_backbone())
    run_page("faq.md", model=model)
    assert model.optimizer.rates == {"look/offset_kernel": 0.05, "look/offset_bias": 0.05}


@pytest.mark.slow
def test_training_step_by_step(tmp_path, monkeypatch):
    """Runs the page's own code with a smaller input and fewer epochs."""
    monkeypatch.chdir(tmp_path)
    image_array = np.zeros((48, 64, 3), np.uint8)
    keras.utils.save_img("street.jpg", image_array)
    for split, count in (("train", 16), ("val", 4)):
        (tmp_path / "photos" / split).mkdir(parents=True)
        names = [f"{split}/{i}.jpg" for i in range(count)]
        for name in names:
            keras.utils.save_img(tmp_path / "photos" / name, image_array)
        rows = "".join(f"{name.partition('/')[2]},5,6,25,30,cat\n" for name in names)
        (tmp_path / "photos" / f"{split}.csv").write_text(rows)
    (block,) = re.findall(r"step by step:\n\n```python\n(.*?)```", (DOCS / "training.md").read_text(), re.DOTALL)
    for number, smaller in {"320": "64", "60": "2", "40": "1", "every=5": "every=1"}.items():
        assert number in block
        block = block.replace(number, smaller)
    names = {"keras_centernet": keras_centernet, "image_array": image_array}
    exec(compile(block, DOCS / "training.md", "exec"), names)
    assert names["train"].cardinality() == 2
    assert {path.name for path in tmp_path.iterdir()} >= {"best.keras", "out.jpg", "out.json"}


def test_the_reference_has_every_public_name():
    shown = re.findall(r"^::: (keras_centernet\.[\w.]+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)
    objects = [pkgutil.resolve_name(":".join(name.rsplit(".", 1))) for name in shown]
    for name in keras_centernet.__all__:
        assert any(each is getattr(keras_centernet, name) for each in objects), name
