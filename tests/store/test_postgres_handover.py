"""What PostgreSQL hands over in memory: nothing that follows what another process has committed, heard of or not."""

import pytest
from job_changes import CHECKPOINT, SINCE, moved, seen, seen_many
from outboxes import DELIVERED, EVERYTHING, attempt, states

from tracker.core.deliveries.replay import Replay
from tracker.store.postgres.writing.event_log import MOST_HANDED_OVER
from tracker.store.postgres.writing.store import open_postgres_store

NAME = "pipe\0line"
"""Stored otherwise than it is named."""


@pytest.fixture
async def stores(postgres_address):
    """The store of the process that sends, which hears nothing, and of another one."""
    async with (
        open_postgres_store(postgres_address, [EVERYTHING]) as store,
        open_postgres_store(postgres_address, [EVERYTHING]) as elsewhere,
    ):
        await store.checkpoint("default", CHECKPOINT)
        yield store, elsewhere


class Handed:
    """Of what each commit of a store hands over, the seqs; None where it was not handed over."""

    def __init__(self, store):
        self._store = store
        self._seqs = None

    async def by(self, *changes, receiver="pipeline"):
        self._seqs = None
        with self._store.wakeups.dispatch_to(receiver, self._take):
            await self._store.record("default", changes)
        return self._seqs

    def _take(self, new):
        self._seqs = [delivery.seq for delivery, _ in new]
        return True


async def test_what_follows_a_delivery_of_another_process_is_claimed(stores):
    """An event of a job whose earlier one another process has logged or replayed is not handed over before that is settled."""
    store, elsewhere = stores
    handed, first = Handed(store), seen("a")
    await elsewhere.record("default", [first])
    second = moved(first, status="RUNNING")
    assert await handed.by(second) is None
    assert await handed.by(seen("b")) == [3]
    for seq in (1, 2, 3):
        await attempt(store, seq, DELIVERED, at=SINCE + 5000)
    third = moved(second, status="CANCELLATION_REQUESTED")
    assert await handed.by(third) == [4]
    await attempt(store, 4, DELIVERED, at=SINCE + 5000)
    await elsewhere.replay(Replay(receiver="pipeline", seq=1), SINCE)
    assert await handed.by(moved(third, status="CANCELLED")) is None
    assert await states(store) == ["pending", "delivered", "delivered", "delivered", "pending"]


async def test_commit_of_very_many_is_claimed(stores):
    """What precedes the deliveries of a large commit is not asked for: they are all claimed."""
    store, _ = stores
    handed = Handed(store)
    assert await handed.by(*seen_many(MOST_HANDED_OVER + 1, "many")) is None
    assert await handed.by(*seen_many(MOST_HANDED_OVER, "few")) == [*range(MOST_HANDED_OVER + 2, 2 * MOST_HANDED_OVER + 2)]


async def test_receiver_of_any_name_is_known_by_it(postgres_address):
    """A name that is stored in an escaped form precedes as any other."""
    receiver = EVERYTHING.__class__(receiver=NAME, events=("*",))
    async with open_postgres_store(postgres_address, [receiver]) as store:
        await store.checkpoint("default", CHECKPOINT)
        handed, first = Handed(store), seen("a")
        assert await handed.by(first, receiver=NAME) == [1]
        assert await handed.by(moved(first, status="RUNNING"), receiver=NAME) is None
