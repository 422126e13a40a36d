"""What a reader over SQLite cannot do to the file, and a commit during its query."""

import sqlite3
import threading

import anyio
import anyio.to_thread
import pytest
from job_changes import seen
from test_store_changed import woken

from tracker.core.queries.filters import EventFilter
from tracker.store.opening import open_reader, open_store
from tracker.store.sqlite.reading.snapshot import Snapshot

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


async def test_commit_during_the_query_ends_the_wait(store, reader, monkeypatch):
    """A commit right after the rows were read, before the query has returned, is not lost."""
    original = Snapshot.read

    async def commit_after_reading(snapshot, connection):
        rows = await original(snapshot, connection)
        await store.record("default", [seen()])
        return rows

    monkeypatch.setattr(Snapshot, "read", commit_after_reading)
    assert await reader.events(0, ALL) == []
    await woken(reader)


async def test_read_that_is_given_up_starts_no_further_query(reader):
    """A read of several queries that is cancelled ends with the query that is under way: closing waits for no more."""
    begun, may_end, asked = threading.Event(), threading.Event(), []

    async def reading(query):
        begun.set()
        may_end.wait(30)
        asked.append(await query("SELECT 1"))

    async with anyio.create_task_group() as group:
        group.start_soon(Snapshot(reading).read, reader._connection)
        await anyio.to_thread.run_sync(begun.wait)
        group.cancel_scope.cancel()
    may_end.set()
    assert await reader.last_seq() == 0
    assert asked == []
