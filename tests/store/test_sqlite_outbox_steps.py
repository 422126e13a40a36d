"""What the outbox asks of SQLite: as much however many deliveries there were, and however many wait."""

import pytest
from job_changes import CHECKPOINT, SINCE, moved, seen, seen_many
from outboxes import DELIVERED, EVERYTHING, attempted, claimed

from tracker.core.deliveries.circuit import Circuit
from tracker.core.ports.outbox import Rest
from tracker.core.queries.workload import Workload
from tracker.store.opening import open_store

FEW, MANY = 30, 600


async def record(store, first, now):
    await store.record("default", [moved(first, now=now, completed_requests=1)])


async def claim(store, _first, now):
    assert await claimed(store, now=now, limit=4, under_way=(1, 2))


async def gather(store, _first, now):
    assert len(await store.outbox.digest_candidates("pipeline", now, 900.0, ())) == 1


async def look_ahead(store, _first, now):
    assert await store.outbox.rest("pipeline", now, 900.0, (1, 2)) == Rest(is_empty=False, next_due=None)


async def count(store, _first, _now):
    assert await store.workload([]) == Workload(running=0, queued=0, pending=1, dead=0)


async def deliver_all(store):
    due = await claimed(store, limit=10_000)
    await store.outbox.settle("pipeline", [attempted(each, DELIVERED, SINCE + 10) for each in due], Circuit())


async def steps_of(store, action, *arguments):
    """The steps that SQLite's machine takes for it."""
    taken = []
    await store._database._connection.set_progress_handler(lambda: taken.append(1), 1)
    await action(store, *arguments)
    await store._database._connection.set_progress_handler(None, 1)
    return len(taken)


@pytest.mark.parametrize(
    ("action", "waiting"),
    [(record, False), (record, True), (claim, False), (gather, False), (look_ahead, False), (count, False)],
)
async def test_cost_does_not_grow_with_what_was(tmp_path, action, waiting):
    """Twenty times as many deliveries of the receiver, ended or not, leave SQLite with no more to do for the next few."""
    steps = {}
    for jobs in (FEW, MANY):
        async with open_store(tmp_path / f"{jobs}.db", [EVERYTHING]) as store:
            await store.checkpoint("default", CHECKPOINT)
            first = seen("first")
            await store.record("default", [first, *seen_many(jobs)])
            if not waiting:
                await deliver_all(store)
            await store.record("default", [seen("last")])
            steps[jobs] = await steps_of(store, action, first, SINCE + 20)
    assert steps[MANY] < 1.5 * steps[FEW] < 5_000
