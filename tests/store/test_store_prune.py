"""Old deliveries are forgotten; what was not delivered, and the log, never."""

import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, seen_many
from tables import fetch

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.reconciliation.account_health import Health
from tracker.polling.time_checks import PRUNE_EVERY, Janitor

DAY = 86_400_000
EVERYTHING = Subscription(receiver="pipeline", events=("*",))


@pytest.fixture
async def store(engine):
    """Four jobs' events: one delivered, one delivered after a failure, one dead, one pending."""
    async with engine.store([EVERYTHING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", seen_many(4))
        first, second, third, _ = await store.outbox.claim("pipeline", SINCE, 0.0, 10, ())
        for delivery, result, schedule in (
            (first, Result.DELIVERED, (5.0,)),
            (second, Result.SERVER, (5.0,)),
            (msgspec.structs.replace(second, attempts=1), Result.DELIVERED, (5.0,)),
            (third, Result.SERVER, ()),
        ):
            settlement = settle(delivery, Outcome(result=result), schedule, (SINCE, SINCE + 10), 0.5)
            await store.outbox.settle("pipeline", [settlement], Circuit())
        yield store


async def states(store):
    rows = await fetch(store, "SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state")
    return dict(rows)


async def test_only_what_was_delivered_long_ago_is_forgotten(store):
    """Deliveries that ended well before the moment go with their attempts; dead and pending ones stay, and so does the log."""
    assert await states(store) == {"dead": 1, "delivered": 2, "pending": 1}
    assert await store.prune(SINCE + 10) == 0
    assert await store.prune(SINCE + 11) == 2
    assert await states(store) == {"dead": 1, "pending": 1}
    ((attempts,),) = await fetch(store, "SELECT count(*) FROM attempts")
    assert attempts == 1
    assert (await fetch(store, "SELECT count(*) FROM events"))[0][0] == 4


async def test_janitor_prunes_by_the_configured_age_once_an_hour(store):
    """What is older than `keep_deliveries` goes at the next look of the hour."""
    now = SINCE + 10 + DAY
    janitor = Janitor(store, Health([]), {}, lambda: now, keep_deliveries=DAY / 1000)
    assert await janitor.prune_once() == 0
    now += 1
    assert await janitor.prune_once() == 0, "an hour has not passed"
    now += PRUNE_EVERY
    assert await janitor.prune_once() == 2
    assert await states(store) == {"dead": 1, "pending": 1}


async def test_a_clock_that_is_set_back_keeps_no_one_from_pruning(store):
    """That it was pruned at a time which is still to come is no reason to wait for that."""
    now = SINCE + 3 * DAY
    janitor = Janitor(store, Health([]), {}, lambda: now, keep_deliveries=10 * DAY / 1000)
    assert await janitor.prune_once() == 0
    now = SINCE + 11 + DAY
    janitor.set_limits({}, DAY / 1000)
    assert await janitor.prune_once() == 2
