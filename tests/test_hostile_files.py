"""Whatever a file holds: it is read, or refused in one line. Seeded; `benchmarks/fuzz.py` goes on for longer."""

import itertools
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.hostile import KINDS, READERS, TOKENS, Damage, damage, fault_of

EXAMPLES = 40
SHARE = st.floats(0, 1, exclude_max=True)
DAMAGES = st.lists(
    st.builds(Damage, SHARE, SHARE, st.sampled_from(KINDS), st.sampled_from(TOKENS)), min_size=1, max_size=3
)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name, tmp_path):
    reader, whole, numbers = READERS[name], tmp_path / "whole", itertools.count()
    whole.mkdir()
    reader.write(whole)
    reader.read(shutil.copytree(whole, tmp_path / "example"))  # undamaged it is not refused

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(DAMAGES)
    def check(damages):
        folder = tmp_path / f"example{next(numbers)}"
        damage(shutil.copytree(whole, folder), damages)
        assert fault_of(reader, folder) is None
        shutil.rmtree(folder)

    check()
