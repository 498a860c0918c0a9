"""Fixtures for AIR's tests."""

import pytest

from examples.air.tests.digits import write_digits


@pytest.fixture(scope="session")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of few digits, which loads at once."""
    return write_digits(tmp_path_factory.mktemp("mnist"))
