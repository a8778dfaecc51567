"""The exports of tests/exporting, for the clients that read them."""

from tests.exporting.conftest import drawn, export_once  # noqa: F401
