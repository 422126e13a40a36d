"""What a changed configuration leaves behind: found, and its deliveries moved to another receiver or dropped."""

import pytest
from job_changes import SINCE, seen
from outboxes import attempted, attempts_of, claimed, rows
from tables import execute, fetch

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import iso
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.orphaned_deliveries import Dropped, Moved, Orphans

LATER = SINCE + 86_400_000
OLD = Subscription(receiver="old", events=("batch.*",))


@pytest.fixture
async def store(engine):
    """Three jobs that have ended, six events to a receiver of before: 1 was delivered, 3 has failed once, 5 is dead."""
    async with engine.store([OLD]) as store:
        for number in range(3):
            await store.record("gone", [seen(f"job-{number}", account="gone", status="SUCCESS", now=SINCE + number)])
        one, two, three, *_ = await claimed(store, receiver="old", hold=0.0)
        for delivery, result, attempts in ((one, Result.DELIVERED, 9), (two, Result.SERVER, 9), (three, Result.SERVER, 0)):
            settlement = attempted(delivery, result, SINCE + 10, wait=1e6, attempts=attempts)
            await store.outbox.settle("old", [settlement], Circuit(failures=1, disabled=True))
        store.subscribe([Subscription(receiver="new", events=("batch.*",))])
        yield store


async def test_what_is_left_behind_is_found(store, engine):
    """Receivers that have open deliveries, and accounts that have active jobs, are found where they are not configured."""
    await store.record("other", [seen("runs", account="other", status="RUNNING"), seen("waits", account="other")])
    left = Orphans({"old": Backlog(4, 1, (await first_observed(store)))}, {"other": 2})
    assert await store.orphans(["new"], ["gone"]) == left
    async with engine.reader() as reader:
        assert await reader.orphans(["new"], ["gone"]) == left
        assert await reader.orphans(["new", "old"], ["gone", "other"]) == Orphans()
        assert await reader.orphans([], []) == Orphans({**left.receivers, "new": Backlog(3, 0, iso(SINCE))}, left.accounts)


async def first_observed(store):
    ((at,),) = await fetch(store, "SELECT observed_at FROM events WHERE seq = 2")
    return at


async def test_moving_keeps_order_ids_and_bodies(store):
    """What is open goes to the other receiver: the pending due now in the log's order with new attempts, the dead as dead."""
    bodies = dict(await fetch(store, "SELECT seq, body FROM events"))
    ids = dict(await fetch(store, "SELECT seq, id FROM events"))
    assert await store.move_deliveries("old", "new", LATER) == Moved(moved=5, already=0)
    assert await rows(store, "seq, state", "old") == [(1, "delivered")]
    assert await rows(store, "seq, state, attempts, due_at, first_failed_at", "new") == [
        *((seq, "pending", 0, LATER, None) for seq in (2, 3, 4)),
        (5, "dead", 1, SINCE + 10, SINCE + 10),
        (6, "pending", 0, LATER, None),
    ]
    got = await claimed(store, now=LATER, receiver="new", hold=0.0)
    assert [(each.seq, each.event_id, each.body) for each in got] == [(seq, ids[seq], bodies[seq]) for seq in (2, 3, 6)]
    assert await attempts_of(store) == [(1, 1, "delivered"), (3, 1, "server"), (5, 1, "server")]
    assert not (await store.outbox.circuit("old")).disabled
    assert await store.move_deliveries("old", "new", LATER) == Moved(moved=0, already=0)


async def test_moving_duplicates_nothing(store):
    """A delivery that the other receiver has, in whatever state, stays as it is there, and is dropped where it was."""
    for seq, state in ((2, "delivered"), (3, "pending"), (4, "dead")):
        sql = (
            "INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at) VALUES ('new', ?, 's', 't', ?, 7, 8)"
        )
        await execute(store, sql, seq, state)
    before = await rows(store, "seq, state, attempts, due_at", "new")
    assert await store.move_deliveries("old", "new", LATER) == Moved(moved=2, already=3)
    assert (await rows(store, "seq, state, attempts, due_at", "new"))[:3] == before
    assert [seq for seq, *_ in await rows(store, "seq", "new")] == [2, 3, 4, 5, 6]
    assert await attempts_of(store) == [(1, 1, "delivered"), (5, 1, "server")]


@pytest.mark.parametrize(
    ("dead", "left", "dropped"),
    [(False, [(1, "delivered")], 5), (True, [(1, "delivered"), *((seq, "pending") for seq in (2, 3, 4, 6))], 1)],
    ids=["all", "dead"],
)
async def test_dropping(store, dead, left, dropped):
    """What is open of a receiver, or what is dead, is forgotten with its attempts; what was delivered, and the log, stay."""
    assert await store.drop_deliveries("old", dead=dead) == Dropped(dropped=dropped)
    assert await rows(store, "seq, state", "old") == left
    assert {seq for seq, *_ in await attempts_of(store)} == {seq for seq, _ in left} & {1, 3}
    assert await fetch(store, "SELECT count(*) FROM events") == [(6,)]
    assert await store.drop_deliveries("unknown") == Dropped(dropped=0)
