"""Silences on PostgreSQL, where several processes share the log: each honors what another has made, from its commit on."""

import anyio
import asyncpg
import msgspec
import pytest
from job_changes import CHECKPOINT, seen

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import encode_event
from tracker.core.silences.silence import Scope, SilenceRequest, requested_silence
from tracker.store.postgres.writing.store import open_postgres_store

pytestmark = pytest.mark.xdist_group("postgres")

SLACK = Subscription(receiver="slack", events=("batch.completed",))


@pytest.fixture
async def stores(postgres_address):
    """Two processes on one database, of which the second has appended events already."""
    opened = [open_postgres_store(postgres_address, [SLACK]) for _ in range(2)]
    async with opened[0] as one, opened[1] as two:
        await two.checkpoint("default", CHECKPOINT)
        await two.record("default", [seen("before", status="SUCCESS")])
        yield one, two


def quiet(store):
    return requested_silence(SilenceRequest(scope=Scope(), reason="why", seconds=3600), store.now(), "command")


async def states(store):
    found = await store.database.fetch("SELECT silence IS NOT NULL FROM deliveries WHERE receiver = 'slack' ORDER BY seq")
    return [bool(row[0]) for row in found]


async def test_silence_of_one_process_is_honored_by_another(stores):
    """What one process silences, and stops to silence, another honors in its next transaction, though it had read before."""
    one, two = stores
    made = quiet(one)
    await one.silences.add(made, one.now())
    await two.record("default", [seen("during", status="SUCCESS")])
    await one.silences.lift(made.id, one.now())
    await two.record("default", [seen("after", status="SUCCESS")])
    assert (await states(one))[:2] == [True, True]
    kept = await one.database.fetch("SELECT count(*) FROM deliveries WHERE silence IS NULL AND type = 'batch.completed'")
    assert kept[0][0] == 1


async def test_no_event_slips_by_while_a_silence_is_made(stores, postgres_address):
    """Of a silence and events that wait for each other, whichever is first, nothing that matches is left pending."""
    one, two = stores
    holder = await asyncpg.connect(postgres_address.url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(f"SELECT seq FROM {postgres_address.schema}.log_head FOR UPDATE")  # noqa: S608 - ours
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(two.record, "default", [seen(f"during-{number}", status="SUCCESS")])
            group.start_soon(one.silences.add, quiet(one), one.now())
            while len(await holder.fetch("SELECT FROM pg_locks WHERE NOT granted")) < 2:  # one connection writes at a time
                await anyio.lowlevel.checkpoint()
            await transaction.commit()
    await holder.close()
    assert await states(one) == [True] * 4


async def test_one_of_several_processes_ends_it(stores):
    """Two processes that end a silence at the same moment log its end once."""
    one, two = stores
    made = quiet(one)
    await one.silences.add(made, one.now())
    async with anyio.create_task_group() as group:
        for store in (one, two):
            group.start_soon(store.silences.advance, made.ends_at)
    ended = await one.database.fetch("SELECT count(*) FROM events WHERE type = 'silence.ended'")
    assert ended[0][0] == 1
    digests = await one.database.fetch("SELECT count(*) FROM deliveries WHERE type = 'silence.ended'")
    assert digests[0][0] == 1


async def test_statements_of_the_version_before_work_on(stores):
    """A replica of the version before, which knows no silences, appends beside the new ones, and supersedes as ever."""
    one, _ = stores
    number = await one.database.fetch("UPDATE log_head SET seq = seq + 1 RETURNING seq - 1 + 1")
    seq = number[0][0]
    await one.database.fetch(
        "INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)"
        " VALUES ($1, 'evt_old', 'batch.created', 'default', 'job', 1, '2025-06-15T15:06:40.000Z', false, $2)",
        seq,
        encode_event(msgspec.structs.replace(seen("old").events[0], id="evt_old", seq=seq)),
    )
    await one.database.fetch(
        "INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, ended_at)"
        " VALUES ('slack', $1, 's', 'batch.completed', 'pending', 0, 1, NULL)",
        seq,
    )
    await one.silences.add(quiet(one), one.now())
    assert await states(one) == [True, True]
