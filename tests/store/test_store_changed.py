"""Waiting for commits of others: none is missed, whenever it comes."""

import anyio
import pytest
from observations import seen

from tracker.core.queries.filters import EventFilter

ALL = EventFilter()

LOOKS = {
    "events": lambda reader: reader.events(0, ALL),
    "jobs": lambda reader: reader.jobs(),
    "jobs_by_prefix": lambda reader: reader.jobs_by_prefix("job"),
}


@pytest.fixture
async def reader(engine, store):  # noqa: ARG001 - the store makes what is read
    async with engine.reader() as reader:
        yield reader


async def woken(reader):
    """Returns once `changed` does, which takes next to no time where it is due."""
    with anyio.fail_after(10):
        await reader.wait_for_change()


async def is_woken(reader):
    """Whether `changed` returns while anybody would wait for it."""
    with anyio.move_on_after(0.4):
        await reader.wait_for_change()
        return True
    return False


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_a_commit_after_the_look_wakes(store, reader, look):
    """A commit between a look and the call of `changed` is not lost."""
    await look(reader)
    await store.record("default", [seen()])
    await woken(reader)


async def test_a_commit_while_waiting_wakes(store, reader):
    """A commit that comes while somebody waits ends the wait, and what was committed can then be read."""
    await reader.events(0, ALL)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(store.record, "default", [seen()])
            await reader.wait_for_change()
    assert len(await reader.events(0, ALL)) == 1


async def test_no_commit_no_wake_up(store, reader):
    """Without a commit nobody is woken, and one commit that was read wakes once at most."""
    await store.record("default", [seen()])
    await woken(reader)
    await reader.events(0, ALL)
    assert not await is_woken(reader)
    assert not await is_woken(reader)


async def test_several_looks_before_waiting(store, reader):
    """A commit after the first of several looks is not hidden by the later ones, which may be at something else."""
    await reader.events(0, ALL)
    await store.record("default", [seen()])
    await reader.jobs()
    await woken(reader)


async def test_waiting_without_looking(store, reader):
    """Whoever only waits is woken by each commit, and not by the same again."""
    for number in range(3):
        await store.record("default", [seen(f"job-{number}")])
        await woken(reader)
        assert not await is_woken(reader)


async def test_what_the_look_has_seen_wakes_nobody(store, reader):
    """A commit between the wake-up and the look is seen by the look, and does not wake a second time."""
    await reader.events(0, ALL)
    await store.record("default", [seen("job-1")])
    await woken(reader)
    await store.record("default", [seen("job-2")])
    assert len(await reader.events(0, ALL)) == 2
    assert not await is_woken(reader)


async def test_a_wait_that_was_cancelled(store, reader):
    """A wait that is given up takes no wake-up with it."""
    await reader.events(0, ALL)
    assert not await is_woken(reader)
    await store.record("default", [seen()])
    await woken(reader)


async def test_each_reader_is_woken(store, engine):
    """Every reader is woken by the same commit."""
    async with engine.reader() as one, engine.reader() as other:
        await one.events(0, ALL)
        await other.events(0, ALL)
        await store.record("default", [seen()])
        await woken(one)
        await woken(other)
