"""Every storage engine in turn, and an open store of it."""

import pytest
from engines import ENGINES
from job_changes import CHECKPOINT
from outboxes import EVERYTHING, OTHER

SLOW_ON_POSTGRES = (
    "test_store_changed",
    "test_store_concurrency",
    "test_store_pages",
    "test_store_results",
    "test_store_wakeups",
)
"""The suite takes five times as long on PostgreSQL: what waits, or has many cases, runs there with the slow tests."""


def pytest_collection_modifyitems(items):
    """Leave to the default run the first case of each other test on PostgreSQL."""
    begun = set()
    for item in items:
        if item.path.parent.name == "store" and "[postgres" in item.name:
            test = (item.module.__name__, item.originalname)
            if test in begun or item.module.__name__ in SLOW_ON_POSTGRES:
                item.add_marker(pytest.mark.slow)
            begun.add(test)


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param].made(request)


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
