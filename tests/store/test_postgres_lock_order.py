"""No deadlock: what changes the same deliveries locks them in the same order, and a receiver before its deliveries."""

from contextlib import asynccontextmanager

import anyio
import asyncpg
import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, progress, seen, seen_many
from outboxes import DELIVERED, EVERYTHING, FAILED, attempted, claimed, failing, rows
from tables import execute

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.replay import Replay
from tracker.core.events.event import Reminder, plain_event
from tracker.store.postgres.writing.store import open_postgres_store

NOW = SINCE + 1_000_000
FAILING = plain_event("receiver.failing", "", {"receiver": "pipeline"}, SINCE)

WAIT_UNTIL_ANOTHER_WAITS = """
DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.005); END LOOP; END $$"""


@pytest.fixture
async def store(postgres_address):
    async with open_postgres_store(postgres_address, [EVERYTHING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        yield store


class OtherTransaction:
    """A transaction of another process, which holds what it has locked."""

    def __init__(self, connection):
        self._connection = connection

    async def lock(self, table, condition):
        """Lock rows; an error if another has locked one of them."""
        sql = f"SELECT FROM batch_tracker.{table} WHERE {condition} FOR UPDATE NOWAIT"
        assert await self._connection.fetch(sql), "nothing to lock"

    async def recover(self, receiver):
        await self._connection.execute("UPDATE batch_tracker.receivers SET failures = 0 WHERE name = $1", receiver)

    async def wait_until_another_waits(self):
        await self._connection.execute(WAIT_UNTIL_ANOTHER_WAITS)


@asynccontextmanager
async def other_transaction(url):
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            yield OtherTransaction(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def waiting_for(table, condition, url, operation, *arguments):
    """The other transaction, which has rows locked for which `operation` waits; in the end it gives them free."""
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group, other_transaction(url) as other:
            await other.lock(table, condition)
            group.start_soon(operation, *arguments)
            await other.wait_until_another_waits()
            yield other


async def settle(store, result=FAILED, events=()):
    under_way = sorted(await claimed(store), key=lambda each: -each.seq)
    circuit = failing(FAILURES_TO_OPEN) if events else Circuit()
    report = (lambda _waiting: events) if events else None
    await store.outbox.settle("pipeline", [attempted(each, result, SINCE + 10) for each in under_way], circuit, report)


OPERATIONS = {
    "settling": settle,
    "replay of a range": lambda store: store.replay(Replay(receiver="pipeline", from_seq=1), NOW),
    "enabling": lambda store: store.enable_receiver("pipeline", SINCE + 20),
    "setting waits back": lambda store: store.outbox.roll_back_clock("pipeline", SINCE - 2000),
    "moving": lambda store: store.move_deliveries("pipeline", "new", NOW),
    "dropping": lambda store: store.drop_deliveries("pipeline"),
}


async def three_that_wait(store):
    """Three that failed and wait, so that each operation changes all of them; in the table they lie the other way round."""
    await store.record("default", seen_many(3))
    await settle(store)
    for seq in (3, 2, 1):
        await execute(store, "UPDATE deliveries SET due_at = due_at - ? WHERE seq = ?", seq, seq)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_deliveries_are_locked_in_the_order_of_the_log(store, postgres_address, operation):
    """What waits for the first delivery has locked no later one."""
    await three_that_wait(store)
    async with waiting_for("deliveries", "seq = 1", postgres_address.url, operation, store) as other:
        await other.lock("deliveries", "seq > 1")


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_receiver_is_locked_before_its_deliveries(store, postgres_address, operation):
    """What waits for the receiver has locked none of its deliveries."""
    await three_that_wait(store)
    async with waiting_for("receivers", "name = 'pipeline'", postgres_address.url, operation, store) as other:
        await other.lock("deliveries", "true")


async def test_log_is_locked_before_the_receiver(store, postgres_address):
    """A settlement with events, which waits for the log, has locked neither its receiver nor a delivery."""
    await store.record("default", seen_many(2))
    await store.enable_receiver("pipeline", NOW)
    async with waiting_for("log_head", "true", postgres_address.url, settle, store, FAILED, [FAILING]) as other:
        await other.lock("receivers", "true")
        await other.lock("deliveries", "true")


async def test_reminder_waits_for_a_recovery_that_is_not_committed_yet(store, postgres_address):
    """Where the receiver recovers meanwhile, in another replica's transaction, no reminder comes after it."""
    await store.outbox.settle("pipeline", [], failing(FAILURES_TO_OPEN), lambda _waiting: [FAILING])
    reminder = msgspec.structs.replace(FAILING, id="evt_again", reminder=Reminder.after(FAILING))
    logged = []

    async def remind():
        logged.extend(await store.append([reminder]))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group, other_transaction(postgres_address.url) as other:
            await other.lock("log_head", "true")
            await other.recover("pipeline")
            group.start_soon(remind)
            await other.wait_until_another_waits()
    assert logged == []


async def test_superseded_deliveries_are_locked_in_the_same_order(store, postgres_address):
    """A record that supersedes progress of two jobs waits for the first of their deliveries, and has not locked the other."""
    steps = [progress(seen(f"job-{number}", status="RUNNING", total_requests=9)) for number in range(2)]
    for each in steps:
        await store.record("default", [next(each)])
    changes = [next(each) for each in reversed(steps)]
    async with waiting_for("deliveries", "seq = 1", postgres_address.url, store.record, "default", changes) as other:
        await other.lock("deliveries", "seq = 2")
    assert [state for _, state, _ in await rows(store)] == ["superseded", "superseded", "pending", "pending"]


async def test_pruning_waits_for_nothing(store, postgres_address):
    """What another transaction has locked is pruned at the next time."""
    await store.record("default", seen_many(3))
    await settle(store, DELIVERED)
    async with other_transaction(postgres_address.url) as other:
        await other.lock("deliveries", "seq = 2")
        assert await store.prune(NOW) == 2
    assert await store.prune(NOW) == 1
