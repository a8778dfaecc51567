"""The docs' tables agree with the tables in the code."""

import pathlib
import re

from keras_centernet.data.formats.table import FORMATS

DATA = pathlib.Path(__file__).parents[1] / "docs" / "data.md"


def test_the_table_of_formats_is_that_of_the_code():
    table = DATA.read_text().partition("| format | what the folder holds |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    assert rows == {name: row.looks_for for name, row in FORMATS.items()}
