"""Every storage engine in turn, and an open store of it."""

import pytest
from engines import ENGINES
from job_changes import CHECKPOINT
from outboxes import EVERYTHING, OTHER


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    return ENGINES[request.param](tmp_path)


@pytest.fixture
async def store(engine):
    async with engine.store() as store:
        yield store


@pytest.fixture
async def with_receivers(engine):
    """An open store whose events go to `EVERYTHING` and `OTHER`, after the first contact."""
    async with engine.store([EVERYTHING, OTHER]) as store:
        await store.checkpoint("default", CHECKPOINT)
        yield store


@pytest.fixture
def path(tmp_path):
    """Where an SQLite database may be made."""
    return tmp_path / "tracker.db"
