"""Old deliveries are forgotten; what was not delivered, and the log, never."""

import msgspec
import pytest
from archiving import ended
from job_changes import CHECKPOINT, SINCE, seen_many
from structlog.testing import capture_logs
from tables import fetch

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.health.readiness import Health
from tracker.core.results.archive_task import GIVE_UP_AFTER, ArchiveBacklog
from tracker.polling.maintenance import PRUNE_EVERY, Maintenance

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
    maintenance = Maintenance(store, Health([]), {}, lambda: now, keep_deliveries=DAY / 1000)
    assert await maintenance.prune_once() == 0
    now += 1
    assert await maintenance.prune_once() == 0, "an hour has not passed"
    now += PRUNE_EVERY
    assert await maintenance.prune_once() == 2
    assert await states(store) == {"dead": 1, "pending": 1}


async def test_a_clock_that_is_set_back_keeps_no_one_from_pruning(store):
    """That it was pruned at a time which is still to come is no reason to wait for that."""
    now = SINCE + 3 * DAY
    maintenance = Maintenance(store, Health([]), {}, lambda: now, keep_deliveries=10 * DAY / 1000)
    assert await maintenance.prune_once() == 0
    now = SINCE + 11 + DAY
    maintenance.set_limits({}, DAY / 1000)
    assert await maintenance.prune_once() == 2


async def test_archive_tasks_that_nothing_works_at_are_given_up(store):
    """Tasks of an account that is not archived any more are dropped after two days, and the log says how many they were."""
    store.archive.enable(["default", "gone"])
    for account in ("default", "gone"):
        await store.record(account, [ended(account=account)])
    store.archive.enable(["default"])
    now = SINCE + round(GIVE_UP_AFTER * 1000)
    maintenance = Maintenance(store, Health([]), {}, lambda: now, keep_deliveries=DAY / 1000)
    await maintenance.prune_once()
    assert await store.archive.backlog() == {name: ArchiveBacklog(1, SINCE) for name in ("default", "gone")}
    now += PRUNE_EVERY
    with capture_logs() as lines:
        await maintenance.prune_once()
    assert await store.archive.backlog() == {"default": ArchiveBacklog(1, SINCE)}
    assert {"event": "archive.dropped", "log_level": "warning", "tasks": 1} in lines
