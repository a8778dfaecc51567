"""What the tests of weights share."""

import pytest

from tests.conftest import release


@pytest.fixture(autouse=True)
def release_models():
    """Gives the memory of each test's models back: they are those of published checkpoints, and large."""
    yield
    release()
