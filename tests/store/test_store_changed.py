"""Waiting for the commits of other connections: none is missed, whenever it comes."""

import anyio
import pytest
from job_changes import seen

from tracker.core.queries.filters import EventFilter

ALL = EventFilter()

QUERIES = {
    "events": lambda reader: reader.events(0, ALL),
    "jobs": lambda reader: reader.jobs(),
    "jobs_by_prefix": lambda reader: reader.jobs_by_prefix("job"),
}


@pytest.fixture
async def reader(engine, store):  # noqa: ARG001 - the store makes what is read
    async with engine.reader() as reader:
        yield reader


async def woken(reader):
    """Returns once `wait_for_change` does, which takes next to no time where it is due."""
    with anyio.fail_after(30):
        await reader.wait_for_change()


async def is_woken(reader):
    """Whether `wait_for_change` returns soon."""
    with anyio.move_on_after(0.4):
        await reader.wait_for_change()
        return True
    return False


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_commit_after_the_query_ends_the_wait(store, reader, query):
    """A commit between a query and the call of `wait_for_change` is not lost."""
    await query(reader)
    await store.record("default", [seen()])
    await woken(reader)


async def test_a_commit_while_waiting_wakes(store, reader):
    """A commit ends a wait that is under way, and what was committed can then be read."""
    await reader.events(0, ALL)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(store.record, "default", [seen()])
            await reader.wait_for_change()
    assert len(await reader.events(0, ALL)) == 1


async def test_no_commit_no_wake_up(store, reader):
    """Without a commit no wait ends, and a commit that was read ends one at most."""
    await store.record("default", [seen()])
    await woken(reader)
    await reader.events(0, ALL)
    assert not await is_woken(reader)
    assert not await is_woken(reader)


async def test_several_queries_before_waiting(store, reader):
    """A commit after the first of several queries is not hidden by the later ones, which may read something else."""
    await reader.events(0, ALL)
    await store.record("default", [seen()])
    await reader.jobs()
    await woken(reader)


async def test_waiting_without_a_query(store, reader):
    """Each commit ends the wait of a reader that only waits, and the same commit ends no other."""
    for number in range(3):
        await store.record("default", [seen(f"job-{number}")])
        await woken(reader)
        assert not await is_woken(reader)


async def test_commit_that_the_query_has_seen_wakes_no_more(store, reader):
    """A commit between the wake-up and the query is seen by the query, and ends no second wait."""
    await reader.events(0, ALL)
    await store.record("default", [seen("job-1")])
    await woken(reader)
    await store.record("default", [seen("job-2")])
    assert len(await reader.events(0, ALL)) == 2
    assert not await is_woken(reader)


async def test_a_wait_that_was_cancelled(store, reader):
    """A wait that is cancelled loses no wake-up."""
    await reader.events(0, ALL)
    assert not await is_woken(reader)
    await store.record("default", [seen()])
    await woken(reader)


async def test_each_reader_is_woken(store, engine):
    """One commit ends the waits of all readers."""
    async with engine.reader() as one, engine.reader() as other:
        await one.events(0, ALL)
        await other.events(0, ALL)
        await store.record("default", [seen()])
        await woken(one)
        await woken(other)
