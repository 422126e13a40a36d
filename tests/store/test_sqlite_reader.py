"""What a reader over SQLite cannot do to the file, and a commit during its query."""

import sqlite3

import pytest
from job_changes import seen
from test_store_changed import woken

from tracker.core.queries.filters import EventFilter
from tracker.store.opening import open_reader, open_store

ALL = EventFilter()


@pytest.fixture
async def store(path):
    async with open_store(path) as store:
        yield store


@pytest.fixture
async def reader(store, path):  # noqa: ARG001 - the store makes what is read
    async with open_reader(path) as reader:
        yield reader


async def test_a_reader_cannot_write(store, reader):
    """SQLite itself refuses to write over a reader's connection."""
    await store.record("default", [seen()])
    for sql in ("UPDATE jobs SET status = 'X'", "DROP TABLE jobs", "PRAGMA user_version = 7", "CREATE TABLE t (x)"):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await reader._connection.execute(sql)


async def test_commit_during_the_query_ends_the_wait(store, reader):
    """A commit right after the rows were read, before the query has returned, is not lost."""
    original = reader._all

    async def commit_after_reading(sql, *parameters):
        rows = await original(sql, *parameters)
        if "events" in sql:
            await store.record("default", [seen()])
        return rows

    reader._all = commit_after_reading
    assert await reader.events(0, ALL) == []
    await woken(reader)
