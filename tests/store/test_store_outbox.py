"""What an outbox owes to the deliverer: what is due, in which order, what is held back, and when to look again."""

import anyio
import msgspec
import pytest
from job_changes import SINCE, gone, moved, seen, seen_many, with_the_id_of
from outboxes import DELIVERED, EVERYTHING, FAILED, FOREVER, attempt, attempted, claimed, next_due, rows, seqs, states
from tables import fetch

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import plain_event

LATER = SINCE + 3_600_000


@pytest.fixture
def store(with_receivers):
    return with_receivers


async def test_claim_is_the_event_as_the_log_has_it(store):
    """A delivery carries its event's seq, id, type and JSON, and the stream that order is kept within."""
    change = seen()
    await store.record("default", [change])
    (delivery,) = await claimed(store)
    ((body,),) = await fetch(store, "SELECT body FROM events")
    assert delivery.body == body
    assert (delivery.receiver, delivery.seq, delivery.attempts) == ("pipeline", 1, 0)
    assert (delivery.event_id, delivery.type, delivery.stream) == (change.events[0].id, "batch.created", "default/job-1")


async def test_longest_due_comes_first(store):
    """Deliveries of different streams are claimed by when they fell due, and those of one moment by the log."""
    await store.record("default", [seen("late", now=SINCE + 50), seen("early", now=SINCE), seen("early too", now=SINCE)])
    assert await seqs(store) == [2, 3, 1]
    await attempt(store, 2, FAILED, at=SINCE + 100)
    assert await seqs(store) == [3, 1, 2]
    assert await seqs(store, limit=2) == [3, 1]
    assert await seqs(store, limit=0) == []


@pytest.mark.parametrize(("now", "due"), [(SINCE - 1, []), (SINCE, [1])])
async def test_nothing_is_claimed_before_it_is_due(store, now, due):
    """A delivery is due from the millisecond of its event on."""
    await store.record("default", [seen()])
    assert await seqs(store, now=now) == due


async def test_what_is_under_way_is_not_claimed_again(store):
    """The caller says what it is sending; a claim itself writes nothing."""
    await store.record("default", seen_many(3))
    assert await seqs(store, under_way={1, 3}) == [2]
    assert await seqs(store, under_way={1, 2, 3}) == []
    assert await rows(store) == [(seq, "pending", 0) for seq in (1, 2, 3)]


async def test_only_the_first_of_a_stream_is_claimed(store):
    """A job's later events wait for the earlier ones, under way or not; other jobs do not."""
    first = seen("a")
    await store.record("default", [first, seen("b"), moved(first, status="RUNNING")])
    assert await seqs(store) == [1, 2]
    assert await seqs(store, under_way={1, 2}) == []
    await attempt(store, 1, DELIVERED)
    assert await seqs(store) == [2, 3]


@pytest.mark.parametrize("end", ["delivered", "dead"])
async def test_end_of_a_delivery_lets_the_next_through(store, end):
    """Delivered or dead, it holds nothing back any more."""
    await store.record("default", [seen(status="RUNNING")])
    assert await seqs(store) == [1]
    await attempt(store, 1, DELIVERED if end == "delivered" else FAILED, attempts=0)
    assert await states(store) == [end, "pending"]
    assert await seqs(store) == [2]


@pytest.mark.parametrize(
    ("hold", "passed", "due"),
    [
        (0.0, 0, [2]),
        (10.0, 9_999, []),
        (10.0, 10_000, [2]),
        (86_400.0, 3_600_000, []),
        (FOREVER, 10**12, []),
        (1e300, 10**12, []),
    ],
)
async def test_hold_is_counted_from_the_first_failure(store, hold, passed, due):
    """Later events of the stream wait that long, whatever is retried meanwhile, and with `forever` always."""
    await store.record("default", [seen(status="RUNNING")])
    failed_at = SINCE + 10
    await attempt(store, 1, FAILED, at=failed_at, wait=1.0)
    await attempt(store, 1, FAILED, at=failed_at + 1100, wait=1e12)
    assert await seqs(store, now=failed_at + passed, hold=hold) == due


async def test_hold_does_not_begin_before_the_first_attempt(store):
    """What was never tried is overtaken by nothing, not even with a hold of nothing and days late."""
    await store.record("default", [seen(status="RUNNING")])
    assert await seqs(store, now=LATER, hold=0.0) == [1]
    assert await seqs(store, now=LATER, hold=0.0, under_way={1}) == []


async def test_next_due_is_the_next_moment_at_which_something_changes(store):
    """The earliest retry, or the end of a hold; None where nothing is pending, or all of it is due."""
    assert await next_due(store, SINCE, 900.0) is None
    await store.record("default", [seen(status="RUNNING")])
    assert await next_due(store, SINCE - 7, 900.0) == SINCE
    assert await next_due(store, SINCE, 900.0) is None
    await attempt(store, 1, FAILED, at=SINCE + 10, wait=60.0)
    assert await next_due(store, SINCE + 10, 900.0) == SINCE + 60_010
    assert await next_due(store, SINCE + 10, 5.0) == SINCE + 5010
    assert await next_due(store, SINCE + 5010, 5.0) == SINCE + 60_010
    assert await next_due(store, SINCE + 60_010, 900.0) == SINCE + 900_010
    assert await next_due(store, SINCE + 10**10, 900.0) is None
    assert await next_due(store, SINCE, 900.0, receiver="other") is None


async def test_rest_is_empty_if_all_that_is_pending_is_under_way(store):
    """Whatever else is pending is the rest, due or not; what has ended, is under way or is another receiver's is none of it."""

    async def is_empty(*under_way, receiver="pipeline"):
        return (await store.outbox.rest(receiver, SINCE + 20, 900.0, under_way)).is_empty

    assert await is_empty()
    await store.record("default", [seen("a"), seen("b")])
    assert [await is_empty(*seqs) for seqs in ((), (1,), (2,), (1, 2))] == [False, False, False, True]
    assert await is_empty(receiver="other")
    await attempt(store, 1, FAILED, at=SINCE + 10, wait=60.0)
    await attempt(store, 2, DELIVERED, at=SINCE + 10)
    assert [await is_empty(*seqs) for seqs in ((), (1,), (2,))] == [False, True, False]


async def test_next_due_with_an_endless_hold_is_the_retry(store):
    """`forever` overflows nothing, and is never the next moment while there is another."""
    await store.record("default", [seen(status="RUNNING")])
    await attempt(store, 1, FAILED, at=SINCE + 10, wait=60.0)
    assert await next_due(store, SINCE + 10, FOREVER) == SINCE + 60_010
    assert (await next_due(store, LATER, FOREVER) or LATER) > SINCE + 10**15


async def test_next_due_is_enough_to_deliver_everything(store):
    """A loop that sleeps until `next_due` each time misses nothing: every delivery comes up, in its order."""
    await store.record("default", [seen("a", status="RUNNING"), seen("b")])
    await attempt(store, 1, FAILED, at=SINCE + 10, wait=1000.0)
    now, order = SINCE + 10, []
    while now is not None:
        for delivery in await claimed(store, now=now, hold=30.0):
            order.append((delivery.seq, now))
            await store.outbox.settle("pipeline", [attempted(delivery, DELIVERED, now)], Circuit())
        now = await next_due(store, now, 30.0)
    assert order == [(3, SINCE + 10), (2, SINCE + 30_010), (1, SINCE + 1_000_010)]


async def test_each_receiver_has_its_own_deliveries(store):
    """Filters decide which receivers get one; a failure of one receiver does not concern another."""
    first = seen("a")
    await store.record("default", [first, moved(first, status="SUCCESS")])
    assert await rows(store, "seq, type") == [(1, "batch.created"), (2, "batch.completed")]
    assert await rows(store, "seq, type", "other") == [(2, "batch.completed")]
    await attempt(store, 1, FAILED)
    assert await seqs(store, receiver="other") == [2]
    assert await seqs(store, receiver="unknown") == []


async def test_delay_lets_events_gather(engine):
    """A delay is added to the moment of the event; what has gathered is listed due or not, in the log's order."""
    slow = Subscription(receiver="pipeline", events=("*",), delay=10.0)
    async with engine.store([slow]) as store:
        await store.record("default", [seen("b", now=SINCE + 5), seen("a")])
        assert await seqs(store, now=SINCE + 9999) == []
        assert await gathered(store) == [1, 2]
        assert await seqs(store, now=SINCE + 10_000) == [2]
        await attempt(store, 2, FAILED, at=SINCE + 10_000)
        assert await gathered(store) == [1]
        assert await gathered(store, under_way={1}) == []
        _, (due_at,) = await rows(store, "due_at")
        assert await gathered(store, now=due_at) == [1, 2]


async def test_nothing_overtakes_in_a_digest(engine):
    """What follows an event of its job that stays behind, retried or under way, is not gathered until its hold is over."""
    slow = Subscription(receiver="pipeline", events=("*",), delay=10.0)
    async with engine.store([slow]) as store:
        first = seen("a")
        await store.record("default", [first])
        await attempt(store, 1, FAILED, at=SINCE + 10_000)
        await store.record("default", [moved(first, status="SUCCESS"), seen("b")])
        assert await gathered(store, now=SINCE + 10_001) == [3]
        assert await gathered(store, now=SINCE + 10_001, hold=0.0) == [2, 3]
        assert await gathered(store, now=SINCE + 86_400_000) == [1, 2, 3]
        assert await gathered(store, now=SINCE + 86_400_000, under_way={1}) == [3]


async def gathered(store, now=SINCE, hold=900.0, under_way=()):
    return [each.seq for each in await store.outbox.digest_candidates("pipeline", now, hold, under_way)]


async def test_failing_record_leaves_no_delivery(store):
    """Events and their deliveries are written in one transaction: where one event cannot be, nothing is."""
    first = seen("a")
    await store.record("default", [first])
    with pytest.raises(StorageError):
        await store.record("default", [*seen_many(3), with_the_id_of(seen("bad"), first)])
    assert await rows(store) == [(1, "pending", 0)]
    await store.record("default", [seen("b")])
    assert await rows(store) == [(1, "pending", 0), (2, "pending", 0)]


async def test_failing_record_wakes_no_deliverer_and_a_commit_those_it_is_for(store):
    """`changed` is set by the commit of a delivery for that receiver, and by nothing else."""
    first = seen("a")
    pipeline, other = store.wakeups.deliveries_changed("pipeline"), store.wakeups.deliveries_changed("other")
    await store.record("default", [first])
    assert (pipeline.is_set(), other.is_set()) == (True, False)
    pipeline = store.wakeups.deliveries_changed("pipeline")
    with pytest.raises(StorageError):
        await store.record("default", [with_the_id_of(seen("bad"), first)])
    assert not pipeline.is_set()
    await store.record("default", [moved(first, status="SUCCESS")])
    with anyio.fail_after(30):
        await pipeline.wait()
        await other.wait()


async def test_history_is_not_delivered(engine):
    """What had ended before the first contact is logged without a delivery; its later deletion is delivered."""
    async with engine.store([EVERYTHING]) as store:
        change = msgspec.structs.replace(seen("old", status="SUCCESS"), backfilled=True)
        await store.record("default", [change, seen("new")])
        assert await rows(store, "seq, type") == [(3, "batch.created")]
        await store.record("default", [gone(change)])
        assert await rows(store, "seq, type") == [(3, "batch.created"), (4, "batch.deleted")]


async def test_account_and_receiver_events_are_deliveries_too(store):
    """Events that change no job are numbered and delivered with the others, in streams of their own."""
    about = plain_event("receiver.failing", "", {"receiver": "other"}, SINCE)
    await store.append([plain_event("account.unreachable", "default", {"reason": "network"}, SINCE), about])
    assert await rows(store, "seq, type, stream") == [
        (1, "account.unreachable", "account:default"),
        (2, "receiver.failing", "receiver:other"),
    ]
