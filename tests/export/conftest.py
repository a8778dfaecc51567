"""Exported files for the clients that read them."""

import pytest

from tests.exporting.conftest import INPUT_HW, drawn, exporter, model_of_task  # noqa: F401
from tests.exporting.conftest import export_once as export_mobile_once  # noqa: F401


@pytest.fixture(scope="session")
def export_once(tiny_model, drawn, tmp_path_factory):  # noqa: F811
    """export_once(precision, raw_heads) -> (model, path): a tiny detector, written once per combination."""
    return exporter(tiny_model(input_size=INPUT_HW), drawn, tmp_path_factory.mktemp("exports"))
