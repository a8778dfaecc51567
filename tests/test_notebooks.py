"""The notebooks run from the first to the last cell on little data, as a user would run them."""

import ast
import json
import pathlib

import pytest

from keras_centernet import CenterNet
from keras_centernet.data.formats.shapes import CLASSES
from tests.cli.conftest import photos  # noqa: F401
from tests.helpers.tiny_backbone import TINY

FOLDER = pathlib.Path(__file__).parents[1] / "notebooks"
SMALL = {"BACKBONE": TINY, "SIZE": "64", "EPOCHS": "2", "COUNT": "48", "BATCH": "3"}


def read_cells(name):
    notebook = json.loads((FOLDER / name).read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return notebook["cells"]


def run_notebook(name) -> tuple[dict, list]:
    """Runs the cells in one namespace; returns it and the values of the cells' last lines, as Jupyter shows them."""
    names, shown = {"__name__": "notebook"}, []
    for i, cell in enumerate(read_cells(name)):
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        where = f"{name}, cell {i}"
        exec(compile(ast.Module(body, []), where, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
            if value is not None:
                shown.append(value._repr_png_() if hasattr(value, "_repr_png_") else repr(value))
    return names, shown


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Makes an empty folder the current one and sets small sizes."""
    monkeypatch.chdir(tmp_path)
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_stored_without_outputs(path):
    cells = read_cells(path.name)
    assert cells[0]["cell_type"] == "markdown"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert len({cell["id"] for cell in cells}) == len(cells)


@pytest.mark.slow
def test_own_photos(small, photos, monkeypatch):  # noqa: F811
    monkeypatch.setenv("PHOTOS", str(photos))
    names, shown = run_notebook("own_photos.ipynb")
    assert "cat" in shown[0]
    assert shown[1].startswith(b"\x89PNG")
    assert names["metrics"]["AP"] >= 0
    assert (small / "runs/own_photos/best.keras").exists()


@pytest.mark.slow
def test_keras_arrays(small):
    names, shown = run_notebook("keras_arrays.ipynb")
    losses = names["history"].history["loss"]
    assert losses[-1] < losses[0]
    assert "num_detections" in shown[2]
    assert "center_heatmap" in shown[-2]


@pytest.mark.slow
def test_training_to_phone(small, monkeypatch):
    CenterNet(TINY, classes=CLASSES, input_size=64).save("best.keras")
    monkeypatch.setenv("MODEL", "best.keras")
    names, shown = run_notebook("training_to_phone.ipynb")
    assert set(names["paths"]) == {"float32", "float16", "int8"}
    assert "'input_hw': [64, 64]" in shown[1]
