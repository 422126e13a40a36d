"""What an outbox makes of an attempt: settled with its circuit and its events or not at all, and what is superseded."""

import msgspec
import pytest
from job_changes import SINCE, moved, progress, seen, seen_many
from outboxes import (
    DELIVERED,
    EVERYTHING,
    FAILED,
    FOREVER,
    attempt,
    attempted,
    attempts_of,
    claimed,
    failing,
    rows,
    seqs,
    states,
)
from tables import execute, fetch

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import plain_event

LONG_AFTER = SINCE + 10_000_000
GONE = plain_event("receiver.failing", "", {"receiver": "pipeline"}, SINCE)


@pytest.fixture
def store(with_receivers):
    return with_receivers


async def recorded_progress(store, count):
    """A running job of which `count` completed requests were logged one by one: seqs 1, 2, and 3 to 2 + `count`."""
    change = seen(status="RUNNING", total_requests=100)
    await store.record("default", [change])
    steps = progress(change)
    for _ in range(count):
        change = next(steps)
        await store.record("default", [change])
    return change


async def test_every_attempt_is_kept_with_what_it_came_to(store):
    """Attempts are numbered from 1, each with its moments, result, status, detail, the answer's beginning and what it asked."""
    await store.record("default", [seen()])
    await attempt(store, 1, FAILED, at=SINCE + 10, status=502, detail="HTTP 502", answer="<html>", retry_after=1.5)
    await attempt(store, 1, Result.NETWORK, at=LONG_AFTER, detail="ReadError")
    await attempt(store, 1, DELIVERED, at=2 * LONG_AFTER, status=204)
    found = await fetch(store, "SELECT * FROM attempts ORDER BY number")
    assert [tuple(row) for row in found] == [
        ("pipeline", 1, 1, SINCE + 10, SINCE + 10, "server", 502, "HTTP 502", "<html>", 1500),
        ("pipeline", 1, 2, LONG_AFTER, LONG_AFTER, "network", None, "ReadError", "", None),
        ("pipeline", 1, 3, 2 * LONG_AFTER, 2 * LONG_AFTER, "delivered", 204, "", "", None),
    ]
    assert await rows(store, "state, attempts, first_failed_at, ended_at") == [("delivered", 2, SINCE + 10, 2 * LONG_AFTER)]


async def test_dead_ends_and_pending_does_not(store):
    """Only what has ended has a moment at which it did."""
    await store.record("default", seen_many(2))
    await attempt(store, 1, FAILED, attempts=0)
    await attempt(store, 2, FAILED)
    assert await rows(store, "seq, state, ended_at") == [(1, "dead", SINCE + 10), (2, "pending", None)]


@pytest.mark.parametrize("how", ["delivered", "dead"])
async def test_what_has_ended_is_settled_no_more(store, how):
    """A late second settlement changes nothing in a delivery that is over; the attempt itself is kept."""
    await store.record("default", [seen()])
    (delivery,) = await claimed(store)
    await attempt(store, 1, DELIVERED if how == "delivered" else FAILED, attempts=0)
    before = await rows(store, "*")
    for result in (FAILED, DELIVERED):
        await store.outbox.settle("pipeline", [attempted(delivery, result, LONG_AFTER)], Circuit())
    assert await rows(store, "*") == before
    assert len(await attempts_of(store)) == 3


async def test_settling_is_all_or_nothing(store):
    """Where an event cannot be logged, no delivery, attempt or circuit has changed, and no deliverer is woken."""
    await store.record("default", seen_many(3))
    await store.append([GONE])
    settlements = [attempted(each, DELIVERED, SINCE + 10) for each in await claimed(store)]
    before, changed = await rows(store, "*"), store.wakeups.deliveries_changed("pipeline")
    with pytest.raises(StorageError, match="settling deliveries failed"):
        await store.outbox.settle("pipeline", settlements, failing(3), lambda _waiting: [GONE])
    assert await rows(store, "*") == before
    assert await attempts_of(store) == []
    assert await store.outbox.circuit("pipeline") == Circuit()
    assert not changed.is_set()
    await store.outbox.settle("pipeline", settlements, failing(3))
    assert await states(store) == ["delivered"] * 3
    assert await store.outbox.circuit("pipeline") == failing(3)
    assert changed.is_set()


async def test_events_of_a_settlement_are_deliveries_of_the_others(engine):
    """That a receiver fails is logged with the attempts that showed it, and delivered to all other receivers."""
    both = [EVERYTHING, msgspec.structs.replace(EVERYTHING, receiver="other")]
    async with engine.store(both) as store:
        await store.record("default", [seen()])
        changed = store.wakeups.deliveries_changed("other")
        await attempt(store, 1, FAILED, circuit=failing(FAILURES_TO_OPEN), events=[GONE])
        assert await rows(store, "seq, type", "other") == [(1, "batch.created"), (2, "receiver.failing")]
        assert await rows(store, "seq, type") == [(1, "batch.created")]
        assert changed.is_set()


@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(),
        failing(7),
        Circuit(
            failures=9, since=SINCE, quiet_until=SINCE + 5, asked_until=SINCE + 4, reason="gone", detail="x", disabled=True
        ),
    ],
)
async def test_circuit_survives(engine, circuit):
    """How a receiver is outlives the process, and is each receiver's own."""
    async with engine.store([EVERYTHING]) as store:
        await store.record("default", [seen()])
        await attempt(store, 1, FAILED, circuit=circuit)
    async with engine.store([EVERYTHING]) as store:
        assert await store.outbox.circuit("pipeline") == circuit
        assert await store.outbox.circuit("other") == Circuit()


async def test_closing_circuit_makes_its_backlog_due(store):
    """Once a receiver takes something again nothing waits for its schedule any more; attempts stay counted."""
    await store.record("default", [*seen_many(3), seen("done", status="SUCCESS")])
    for seq in (1, 2, 3):
        await attempt(store, seq, FAILED, circuit=failing(FAILURES_TO_OPEN), wait=86_400.0)
    await attempt(store, 4, DELIVERED, at=SINCE + 500, circuit=failing(FAILURES_TO_OPEN + 1))
    assert await seqs(store, now=SINCE + 600) == [5]
    await attempt(store, 5, DELIVERED, at=SINCE + 600, circuit=Circuit())
    assert await seqs(store, now=SINCE + 600) == [1, 2, 3]
    assert await rows(store) == [
        (1, "pending", 1),
        (2, "pending", 1),
        (3, "pending", 1),
        (4, "delivered", 0),
        (5, "delivered", 0),
    ]


async def test_success_says_nothing_of_what_failed_after_it_began(store):
    """What was refused while it was under way, with a wish of its own, waits as long as it was asked to."""
    await store.record("default", seen_many(3))
    await attempt(store, 1, FAILED, circuit=failing(FAILURES_TO_OPEN), wait=600.0)
    await attempt(store, 2, FAILED, circuit=failing(FAILURES_TO_OPEN), wait=0.1)
    await attempt(store, 2, FAILED, at=SINCE + 500, circuit=failing(FAILURES_TO_OPEN), wait=600.0)
    await attempt(store, 3, DELIVERED, at=SINCE + 510, began_at=SINCE + 400, circuit=Circuit())
    assert await seqs(store, now=SINCE + 600) == [1]
    assert (await rows(store, "seq, due_at"))[1] == (2, SINCE + 600_500)


async def test_closing_circuit_takes_back_no_wish(store):
    """What a delivery was last asked to wait it waits, also once others are taken; what it was asked before is over."""
    await store.record("default", seen_many(4))
    await attempt(store, 1, FAILED, circuit=failing(FAILURES_TO_OPEN), wait=600.0, retry_after=30.0)
    await attempt(store, 2, FAILED, circuit=failing(FAILURES_TO_OPEN), wait=20.0, retry_after=600.0)
    await attempt(store, 3, FAILED, circuit=failing(FAILURES_TO_OPEN), wait=0.1, retry_after=0.2)
    await attempt(store, 3, FAILED, at=SINCE + 300, circuit=failing(FAILURES_TO_OPEN), wait=600.0)
    now = SINCE + 510
    await attempt(store, 4, DELIVERED, at=now, began_at=SINCE + 500, circuit=Circuit())
    assert (await rows(store, "seq, due_at, first_failed_at"))[:3] == [
        (1, SINCE + 10 + 30_000, now),
        (2, SINCE + 10 + 600_000, now),
        (3, now, None),
    ]


async def test_what_is_asked_to_wait_holds_back_for_no_longer_than_hold(store):
    """A receiver that took others meanwhile gets the job's later events once `hold` is over, though this one waits on."""
    await store.record("default", [seen("a", status="SUCCESS"), seen("b")])
    await attempt(store, 1, FAILED, circuit=failing(FAILURES_TO_OPEN), retry_after=3600.0)
    await attempt(store, 3, DELIVERED, at=SINCE + 500)
    assert await seqs(store, now=SINCE + 900_499) == []
    assert await seqs(store, now=SINCE + 900_500) == [2]
    assert await seqs(store, now=SINCE + 3_600_010) == [1]


async def test_backlog_of_an_outage_goes_out_in_order(store):
    """That a job's first event failed in an outage longer than `hold` does not let its later ones overtake it afterwards."""
    await store.record("default", [seen("a", status="SUCCESS"), seen("b")])
    await attempt(store, 1, FAILED, circuit=failing(FAILURES_TO_OPEN))
    await attempt(store, 3, DELIVERED, at=LONG_AFTER, circuit=Circuit())
    assert await seqs(store, now=LONG_AFTER) == [1]
    await attempt(store, 1, FAILED, at=LONG_AFTER + 5, wait=3600.0)
    assert await seqs(store, now=LONG_AFTER + 900_004) == []
    assert await seqs(store, now=LONG_AFTER + 900_005) == [2]


async def test_success_of_a_closed_circuit_releases_nothing(store):
    """A receiver that refuses one event and takes others keeps to that event's schedule."""
    await store.record("default", seen_many(2))
    await attempt(store, 1, FAILED, circuit=failing(FAILURES_TO_OPEN - 1), wait=600.0)
    await attempt(store, 2, DELIVERED, at=SINCE + 20, circuit=Circuit())
    assert await rows(store, "seq, due_at, first_failed_at") == [(1, SINCE + 600_010, SINCE + 10), (2, SINCE + 20, None)]


async def test_newer_event_supersedes_progress_and_nothing_else(store):
    """Of a job's pending events only progress gives way; it keeps its row, and when it ended."""
    change = await recorded_progress(store, 3)
    assert await states(store) == ["pending", "pending", "superseded", "superseded", "pending"]
    other = seen("other", status="RUNNING")
    await store.record("default", [other, moved(other, completed_requests=1)])
    await store.record("default", [moved(change, now=SINCE + 99, status="SUCCESS")])
    assert await rows(store, "seq, state, ended_at") == [
        (1, "pending", None),
        (2, "pending", None),
        (3, "superseded", SINCE + 2),
        (4, "superseded", SINCE + 3),
        (5, "superseded", SINCE + 99),
        (6, "pending", None),
        (7, "pending", None),
        (8, "pending", None),
        (9, "pending", None),
    ]


async def test_progress_is_superseded_by_what_its_own_receiver_gets(engine):
    """A receiver of progress alone still gets the last of it when others get the end of the job."""
    counting = Subscription(receiver="counting", events=("batch.progress",))
    first = seen(status="RUNNING", total_requests=9)
    second = moved(first, completed_requests=1)
    async with engine.store([EVERYTHING, counting]) as store:
        await store.record("default", [first, second])
        await store.record("default", [moved(second, status="SUCCESS")])
        assert await rows(store, "seq, state") == [(1, "pending"), (2, "pending"), (3, "superseded"), (4, "pending")]
        assert await rows(store, "seq, state", "counting") == [(3, "pending")]


async def test_progress_and_its_successor_in_one_record(store):
    """What is superseded in the transaction that writes it is never sent."""
    first = seen(status="RUNNING", total_requests=9)
    second = moved(first, completed_requests=1)
    await store.record("default", [first, second, moved(second, status="SUCCESS")])
    assert await states(store) == ["pending", "pending", "superseded", "pending"]


@pytest.mark.parametrize(
    ("result", "attempts", "state"),
    [(DELIVERED, 9, "delivered"), (FAILED, 9, "superseded"), (FAILED, 0, "dead"), (Result.GONE, 9, "superseded")],
)
async def test_progress_superseded_while_it_was_under_way(store, result, attempts, state):
    """What arrived is delivered after all; what failed is not tried again; either way the attempt is kept."""
    change = await recorded_progress(store, 1)
    for seq in (1, 2):
        await attempt(store, seq, DELIVERED)
    (delivery,) = await claimed(store)
    await store.record("default", [moved(change, now=SINCE + 99, status="SUCCESS")])
    assert await states(store) == ["delivered", "delivered", "superseded", "pending"]
    await store.outbox.settle("pipeline", [attempted(delivery, result, LONG_AFTER, attempts=attempts)], Circuit())
    assert (await states(store))[2:] == [state, "pending"]
    assert (await attempts_of(store))[-1] == (3, 1, result.value)
    assert await seqs(store, now=LONG_AFTER) == [4]


async def test_nothing_overtakes_what_was_superseded_under_way(store):
    """Until the attempt is over its job's next event waits: it would arrive before what was sent before it."""
    change = await recorded_progress(store, 1)
    for seq in (1, 2):
        await attempt(store, seq, DELIVERED)
    (delivery,) = await claimed(store)
    await store.record("default", [moved(change, now=SINCE + 99, status="SUCCESS"), seen("other")])
    assert await seqs(store, under_way={3}) == [5]
    assert await seqs(store, under_way={3}, hold=0.0) == [5]
    await store.outbox.settle("pipeline", [attempted(delivery, FAILED, LONG_AFTER)], Circuit())
    assert await seqs(store, under_way={3}, hold=FOREVER) == [5]
    assert await seqs(store) == [5, 4]


async def test_log_is_as_append_only_as_before(store):
    """Deliveries come and go; an event with deliveries can no more be changed, removed or replaced than one without."""
    await store.record("default", [seen()])
    await attempt(store, 1, DELIVERED)
    for statement in ("UPDATE events SET body = '{}'", "DELETE FROM events"):
        with pytest.raises(StorageError, match="the log is append-only"):
            await execute(store, statement)
    assert await states(store) == ["delivered"]


async def test_report_is_made_of_what_waits_once_the_attempts_are_settled(store):
    """What has ended is not counted, and what failed has one attempt more; the events commit with the rest."""
    await store.record("default", seen_many(4))
    first, second, third, _ = await claimed(store)
    settlements = [attempted(first, DELIVERED, SINCE + 10), attempted(second, FAILED, SINCE + 10, wait=60.0)]
    settlements.append(attempted(third, FAILED, SINCE + 10, wait=30.0))
    reported = []

    def report(waiting):
        reported.append(sorted(waiting))
        return [GONE]

    await store.outbox.settle("pipeline", settlements, failing(2), report)
    assert reported == [[(0, SINCE, 1), (1, SINCE + 30_010, 2)]]
    assert sorted(await store.outbox.waiting("pipeline")) == reported[0]
    assert await store.outbox.waiting("unknown") == []
    assert (await fetch(store, "SELECT type FROM events ORDER BY seq DESC LIMIT 1")) == [("receiver.failing",)]
