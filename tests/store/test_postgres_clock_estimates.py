"""Replicas that estimate the server's clock a little differently find no wait that began in the future."""

from job_changes import SINCE, seen, seen_many
from outboxes import EVERYTHING, FAILED, attempt, rows

from tracker.store.postgres.writing.store import open_postgres_store


async def test_wait_that_began_a_moment_later_than_now_stays_as_it_is(postgres_address):
    """What another replica has just logged or tried is left alone; what lies further ahead is not."""
    async with open_postgres_store(postgres_address, [EVERYTHING]) as store:
        await store.record("default", seen_many(2))
        await attempt(store, 1, FAILED, at=SINCE + 500, wait=60.0)
        assert await store.outbox.roll_back_clock("pipeline", SINCE - 400) == 0
        assert await rows(store, "seq, due_at") == [(1, SINCE + 60_500), (2, SINCE)]
        await store.record("default", [seen("ahead", now=SINCE + 5000)])
        assert await store.outbox.roll_back_clock("pipeline", SINCE) == 1
        assert await rows(store, "seq, due_at") == [(1, SINCE + 60_500), (2, SINCE), (3, SINCE)]
