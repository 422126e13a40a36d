"""Every storage engine in turn, and an open store of it."""

import pytest
from engines import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    return ENGINES[request.param](tmp_path)


@pytest.fixture
async def store(engine):
    async with engine.store() as store:
        yield store


@pytest.fixture
def path(tmp_path):
    """Where an SQLite database may be made."""
    return tmp_path / "tracker.db"
