"""A report in a narrow terminal."""

import pytest

from keras_centernet.drawing.text_table import align
from keras_centernet.runs.screen.final_table import fit_tables
from keras_centernet.texts import cells

SENTENCE = "milliseconds an image: load 0.77, preprocess 0.49, network 125.35, decode 119.20, merge 0.00 (in threads)"


NAMES = {"short": "cat", "long": "a class of a very long name " * 5, "wide": "猫" * 70, "accents": "e\u0301" * 99}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("columns", [40, 80, 100])
def test_no_line_is_longer(name, columns):
    table = align([("class", "AP", "AP50"), (name, "0.123", "0.456"), ("dog", "1.000", "1.000")])
    lines = fit_tables(f"{table}\n\n{SENTENCE}", columns).splitlines()
    assert max(map(cells, lines)) <= columns
    heading, dashes, first, second = lines[:4]
    assert first.endswith(" 0.123  0.456")
    assert len({cells(line) for line in (heading, dashes, first, second)}) == 1
    assert " ".join(lines[5:]) == SENTENCE


def test_what_fits_is_left_alone():
    text = f"{align([('class', 'AP'), ('cat', '0.1')])}\n\n{SENTENCE}"
    assert fit_tables(text, 200) == text
