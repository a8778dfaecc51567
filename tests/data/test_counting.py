import re
import warnings

import pytest

from keras_centernet.data.counting import WarningCounter, warn_counted
from keras_centernet.errors import DataWarning


def test_one_warning_counts_and_names_the_first():
    with pytest.warns(DataWarning, match=re.escape("3 images skipped; first: b.jpg")) as caught:
        warn_counted(["b.jpg", "a.jpg", "c.jpg"], "images skipped")
    assert len(caught) == 1


def test_nothing_to_count_is_silent():
    warn_counted([], "images skipped")


def test_tally_warns_at_powers_of_ten():
    tally = WarningCounter("images lost")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(120):
            tally.add(f"{number}.jpg")
    assert [str(entry.message) for entry in caught] == [
        f"{count} images lost so far; first: 0.jpg" for count in (1, 10, 100)
    ]
    assert tally.count == 120


def test_several_cases_count_at_once():
    tally = WarningCounter("objects lost")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for cases in (3, 4, 2, 1, 5):
            tally.add("a.jpg", cases)
    assert [str(entry.message).split()[0] for entry in caught] == ["3", "10"]
    assert tally.count == 15
