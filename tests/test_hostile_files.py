"""A damaged file is read, or refused in one line. The damage is seeded; `benchmarks/fuzz.py` runs longer."""

import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.hostile import KINDS, READERS, TOKENS, Damage, damage, fault_of

SECONDS = 1.0  # per reader, about a minute in all
SHARE = st.floats(0, 1, exclude_max=True)
DAMAGES = st.lists(
    st.builds(Damage, SHARE, SHARE, st.sampled_from(KINDS), st.sampled_from(TOKENS)), min_size=1, max_size=3
)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name, tmp_path):
    reader, whole, example, faults = READERS[name], tmp_path / "whole", tmp_path / "example", []
    whole.mkdir()
    reader.write(whole)
    reader.read(shutil.copytree(whole, example))  # the undamaged file is accepted
    end = time.monotonic() + SECONDS

    @settings(max_examples=500, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(DAMAGES)
    def check(damages):
        if time.monotonic() > end and not faults:  # a fault is minimised without a time limit
            return
        shutil.rmtree(example)
        damage(shutil.copytree(whole, example), damages)
        if fault := fault_of(reader, example):
            faults.append(fault)
            pytest.fail(fault)

    check()
