"""What steps need: a place for a database, and trust in servers."""

import pytest

from tracker.http.client import tls_context


@pytest.fixture
def path(tmp_path):
    """Where an SQLite database may be made."""
    return tmp_path / "tracker.db"


@pytest.fixture(scope="session")
def tls(trust_store):  # noqa: ARG001 - it has to be there first
    """How the product trusts servers; one for all tests, since making it takes 20 ms."""
    return tls_context()
