"""The exports of tests/exporting, for the clients that read them."""

from tests.exporting.conftest import drawn, export_once, model_of_task  # noqa: F401
