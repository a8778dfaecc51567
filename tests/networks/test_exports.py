"""The documented exports of every network are those that the benchmark runs."""

import pathlib
import re

import pytest

from keras_centernet import BACKBONES
from keras_centernet.exporting.table import EXPORTS, FORMATS
from tests.helpers.processes import run_python
from tests.helpers.step_cases import DEFORMABLE, TWO_STACKS
from tests.helpers.tiny_backbone import TINY

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "networks.md"
OF_TESTS = (TINY, TWO_STACKS, DEFORMABLE)
QUICK = "mobilenet_v3_small_minimalistic"
MORE = [name for name, row in BACKBONES.items() if len(row.exports) > 1]


def test_exports_use_only_options_that_their_format_has():
    for row in EXPORTS.values():
        format = FORMATS[row.format]
        assert set(row.options) <= set(format.options)
        assert format.is_calibrated(row.options) == row.is_calibrated


@pytest.mark.parametrize("name", BACKBONES)
def test_exports_of_a_network_are_in_the_table(name):
    row = BACKBONES[name]
    assert set(row.exports) <= set(EXPORTS)
    assert ("edgetpu" in row.exports) == (row.edge_tpu_side is not None)


def test_the_table_in_the_docs_agrees():
    table = DOCS.read_text().partition("| network | float32 |")[2].partition("\n\n")[0]
    rows = {name: cells.split("|") for name, cells in re.findall(r"^\| `(\w+)` \|(.*)\|$", table, re.MULTILINE)}
    said = {
        name: tuple(key for key, cell in zip(EXPORTS, cells, strict=True) if cell.strip())
        for name, cells in rows.items()
    }
    assert said == {name: row.exports for name, row in BACKBONES.items() if name not in OF_TESTS}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == QUICK else pytest.mark.exhaustive) for name in MORE]
)
def test_every_cell_is_run(name):
    done = run_python("benchmarks/exports.py", name, *[f"--only={key}" for key in BACKBONES[name].exports])
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(BACKBONES[name].exports)
