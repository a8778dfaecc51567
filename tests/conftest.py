"""What all tests share."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def fixture():
    """Returns a function: name -> dict of arrays that the published implementation computed."""
    return lambda name: dict(np.load(FIXTURES / f"{name}.npz"))


@pytest.fixture
def rng():
    """A seeded source of random arrays."""
    return np.random.default_rng(7)
