"""A record that is cancelled while SQLite is at one particular statement of it."""

import asyncio
import threading

import anyio
import pytest
from engines import Sqlite
from job_changes import moved, seen, seen_many

from tracker.store.opening import open_store

STATEMENTS = ["BEGIN IMMEDIATE", "SELECT coalesce", "INSERT INTO events", "INSERT INTO jobs", "UPDATE accounts", "COMMIT"]


@pytest.fixture
async def store(path):
    async with open_store(path) as store:
        yield store


class Halt:
    """Stops the connection's thread at the first statement that begins so, until the loop has done something."""

    def __init__(self, store, statement):
        self.reached = anyio.Event()
        self._loop = asyncio.get_running_loop()
        self._connection = store._database._connection
        self._statement = statement
        self._go_on = threading.Event()

    async def __aenter__(self):
        await self._connection.set_trace_callback(self._trace)
        return self

    async def __aexit__(self, *_):
        self.release()

    def release(self):
        self._go_on.set()

    def _trace(self, sql):
        if sql.strip().startswith(self._statement) and not self._go_on.is_set():
            self._loop.call_soon_threadsafe(self.reached.set)
            self._go_on.wait(30)


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_a_record_under_way_is_carried_out(store, path, statement):
    """A task that is cancelled while it records has recorded, whichever statement SQLite was at."""
    async with Halt(store, statement) as halt, anyio.create_task_group() as group:
        group.start_soon(store.record, "default", seen_many(8), 100)
        await halt.reached.wait()
        group.cancel_scope.cancel()
        halt.release()
    assert len(await Sqlite(path.parent).log()) == 8
    await store.record("default", [seen("after")])
    assert [event["seq"] for event in await Sqlite(path.parent).log()] == list(range(1, 10))


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_a_task_that_asyncio_cancels(store, path, statement):
    """A record is carried out though no scope can shield from a cancellation like this, and the store goes on."""
    first = seen("first")
    await store.record("default", [first])
    async with Halt(store, statement) as halt:
        task = asyncio.create_task(store.record("default", [moved(first, status="RUNNING"), *seen_many(8)], 100))
        await halt.reached.wait()
        task.cancel()
        halt.release()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(await Sqlite(path.parent).log()) == 10
    assert (await store.active_jobs("default"))["first"].job.status == "RUNNING"
    await store.record("default", [seen("after")])
    assert [event["seq"] for event in await Sqlite(path.parent).log()] == list(range(1, 12))


async def test_those_that_wait_are_cancelled_at_once(store, path):
    """A record that waits for another's end is cancelled without waiting for it, and leaves nothing."""
    async with Halt(store, "INSERT INTO events") as halt, anyio.create_task_group() as group:
        group.start_soon(store.record, "default", seen_many(3, prefix="first"))
        await halt.reached.wait()
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(store.record, "default", seen_many(3, prefix="second"))
            waiting.start_soon(store.probe)
            waiting.start_soon(store.active_jobs, "default")
            await anyio.lowlevel.checkpoint()
            waiting.cancel_scope.cancel()
        assert await Sqlite(path.parent).log() == []
        halt.release()
    assert [event["data"]["id"] for event in await Sqlite(path.parent).log()] == ["first-0", "first-1", "first-2"]
