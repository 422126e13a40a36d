"""What steps need: a place for a database."""

import pytest


@pytest.fixture
def path(tmp_path):
    """Where an SQLite database may be made."""
    return tmp_path / "tracker.db"
