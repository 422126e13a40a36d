"""What any engine owes to many tasks at once, and to those that are cancelled."""

import anyio
import pytest
from job_changes import CHECKPOINT, seen, seen_many, with_the_id_of

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import Checkpoint

TASKS = 20


async def test_concurrent_records_do_not_interleave(engine, store):
    """Each record's events stand together in the log, whatever other tasks record at the same time."""
    async with anyio.create_task_group() as group:
        for task in range(TASKS):
            group.start_soon(store.record, "default", seen_many(5, prefix=f"task-{task}"))
    log = await engine.log()
    assert [event["seq"] for event in log] == list(range(1, 5 * TASKS + 1))
    by_record = [[event["data"]["id"] for event in log[start : start + 5]] for start in range(0, len(log), 5)]
    assert sorted(by_record) == sorted([f"task-{task}-{n}" for n in range(5)] for task in range(TASKS))


async def test_a_failing_record_takes_no_other_with_it(engine, store):
    """Of records made at the same time those that fail leave nothing, and the others all that they have."""
    first = seen("first")
    await store.record("default", [first])
    failed = []

    async def record(task):
        changes = seen_many(3, prefix=f"task-{task}")
        if task % 2:
            changes.append(with_the_id_of(seen(f"bad-{task}"), first))
        try:
            await store.record("default", changes)
        except StorageError:
            failed.append(task)

    async with anyio.create_task_group() as group:
        for task in range(TASKS):
            group.start_soon(record, task)
    assert sorted(failed) == [task for task in range(TASKS) if task % 2]
    recorded = {id_ for _, id_ in await engine.jobs()}
    assert recorded == {"first"} | {f"task-{task}-{n}" for task in range(0, TASKS, 2) for n in range(3)}
    assert len(await engine.log()) == len(recorded)


async def test_reading_while_recording(store):
    """A task that reads sees each record of another whole or not at all."""
    counts = []

    async def read():
        while not counts or counts[-1] < TASKS * 10:
            counts.append(await store.count_created("default", 0))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for task in range(TASKS):
            await store.record("default", seen_many(10, prefix=f"task-{task}"))
    assert all(count % 10 == 0 for count in counts)


async def test_concurrent_first_contacts_agree(store):
    """Tasks that make the first contact at the same time are all given the one that was kept."""
    found = []

    async def checkpoint(number):
        found.append(await store.checkpoint("default", Checkpoint(since=number, horizon=number)))

    async with anyio.create_task_group() as group:
        for number in range(TASKS):
            group.start_soon(checkpoint, number)
    assert len(found) == TASKS
    assert set(found) == {await store.checkpoint("default", CHECKPOINT)}


@pytest.mark.parametrize("turns", range(14))
async def test_a_cancelled_record_is_whole_or_nothing(engine, store, turns):
    """Cancelled after any number of the loop's turns, a record is in the log whole or not at all, and the store goes on."""
    ended = await _cancelled_after(turns, store.record, "default", seen_many(8))
    log = await engine.log()
    assert len(log) in (0, 8)
    assert len(log) == 8 if ended else len(log) == 0
    await store.record("default", [seen("after")])
    assert [event["seq"] for event in await engine.log()] == list(range(1, len(log) + 2))


async def test_cancelled_while_others_record(engine, store):
    """Tasks that are cancelled while they wait for their turn leave nothing, and those that are not lose nothing."""
    async with anyio.create_task_group() as group:
        for task in range(TASKS):
            group.start_soon(store.record, "default", seen_many(3, prefix=f"kept-{task}"))
            group.start_soon(_cancelled_after, task % 5, store.record, "default", seen_many(3, prefix=f"cancelled-{task}"))
    ids = [event["data"]["id"].rpartition("-")[0] for event in await engine.log()]
    assert {ids.count(id_) for id_ in ids} == {3}
    assert {id_ for id_ in ids if id_.startswith("kept")} == {f"kept-{task}" for task in range(TASKS)}


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancelled_read_harms_no_other(store, turns):
    """The task that reads next gets the answer to its own query."""
    await store.record("default", seen_many(3))
    await _cancelled_after(turns, store.known_jobs, "default", ["job-0"])
    assert list(await store.known_jobs("default", ["job-1"])) == ["job-1"]
    assert await store.count_created("default", 0) == 3


async def _cancelled_after(turns, function, *arguments):
    """Whether `function` came to its end, cancelled after `turns` turns of the loop."""
    ended = False

    async def call():
        nonlocal ended
        await function(*arguments)
        ended = True

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    return ended
