"""Owns the database of a test that is not about one storage engine: on SQLite by default, on PostgreSQL with the slow tests.

The conformance suite, `tests/store`, runs on every engine by default.
"""

import pytest
from empty_database import put_empty_database
from postgres_database import EMPTY

from tracker.store.address import PostgresAddress
from tracker.store.opening import open_store
from tracker.store.postgres.writing import active_jobs as postgres_active_jobs
from tracker.store.postgres.writing.store import PostgresStore, open_postgres_store
from tracker.store.records.active_jobs_cache import ActiveJobsCache
from tracker.store.sqlite.writing import active_jobs as sqlite_active_jobs

ON_EACH = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
"""Marks a test that runs on each engine by default."""


ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(params=ENGINES)
def database(request):
    """The address of a database that is empty, or not made yet."""
    return _empty(request, request.param)


@pytest.fixture(params=ENGINES)
def new_database(request):
    """Makes such a database for each example of a test; the one before is gone."""
    return lambda: _empty(request, request.param)


@pytest.fixture(params=ENGINES)
def storage(request):
    """What an `Installation` takes as the place of its database."""
    return {} if request.param == "sqlite" else {"postgres_url": _empty(request, "postgres").url}


def _empty(request, engine):
    if engine == "sqlite":
        return put_empty_database(request.getfixturevalue("tmp_path_factory").mktemp("sqlite") / "tracker.db")
    server, name = request.getfixturevalue("postgres_server"), request.getfixturevalue("worker_database")
    server.fetch(EMPTY, database=name)
    return PostgresAddress(url=server.url(name), replica="test")


def open_any_store(database, subscriptions=(), **observers):
    """A store of its own, as `open_store`, which on PostgreSQL needs no lease."""
    if isinstance(database, PostgresAddress):
        return open_postgres_store(database, subscriptions, **observers)
    return open_store(database, subscriptions, **observers)


async def active_jobs_read_again(store, account):
    """The active jobs as a store that has just been opened reads them."""
    if isinstance(store, PostgresStore):
        read = postgres_active_jobs.read_active_jobs
        return await store.database.read("testing", lambda each: read(ActiveJobsCache(), each, account))
    read = sqlite_active_jobs.read_active_jobs
    return await store._database.read("testing", lambda each: read(ActiveJobsCache(), each, account))
