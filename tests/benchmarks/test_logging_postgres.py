"""Logging events durably in PostgreSQL: ours, and the same rows, ready as arrays, by asyncpg alone."""

import time
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import asyncpg
import pytest
from postgres_server import running_server
from test_logging import RECEIVERS, TABLES, UPSERT, new_jobs, progress

from tracker.core.ports.store import Checkpoint
from tracker.core.replicas.lease import account_lease
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_store
from tracker.store.postgres.writing.store import open_postgres_store

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]

SCHEMA = "SET search_path = batch_tracker"
KEYS = {"events": "seq", "deliveries": "receiver, seq", "jobs": "account, id"}


@pytest.fixture(scope="module")
def server():
    """A server that waits for the disk."""
    with running_server(fsync=True) as server:
        yield server


class Bare:
    """The rows, ready, by a statement for each table: into the same tables with their indexes and triggers."""

    def __init__(self, connection, types):
        self.connection = connection
        self.types = types
        self.sql = {}
        for table, its in types.items():
            arrays = ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(its.values(), 1))
            conflict = UPSERT if table == "jobs" else ""
            self.sql[table] = f"INSERT INTO {table} ({', '.join(its)}) SELECT * FROM unnest({arrays}) {conflict}"  # noqa: S608

    async def write(self, columns, *, in_order=False):
        """Readers that see the log `in_order` and are notified cost two statements more."""
        async with self.connection.transaction():
            if in_order:
                await self.connection.fetchval("UPDATE log_head SET seq = seq + $1 RETURNING seq", len(columns["events"][0]))
            for table, its in columns.items():
                await self.connection.execute(self.sql[table], *its)
            if in_order:
                await self.connection.execute("SELECT pg_notify($1, $2)", "channel", "payload")


async def types_of(connection):
    """The columns of each table with their types, but for what SQLite's benchmark leaves out."""
    sql = """SELECT attname, atttypid::regtype::text FROM pg_attribute
        WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
    return {table: dict(await connection.fetch(sql, table)) for table in TABLES}


async def columns_of(connection, types, last):
    """What was written behind the event `last`, by table and column."""
    found = {}
    for table, its in types.items():
        rows = await connection.fetch(f"SELECT {', '.join(its)} FROM {table} WHERE seq > $1 ORDER BY {KEYS[table]}", last)  # noqa: S608
        found[table] = [list(column) for column in zip(*rows, strict=True)]
    return found


@pytest.mark.parametrize(("kind", "size"), [("new jobs", 100), ("progress", 100), ("progress", 10), ("progress", 1)])
async def test_logging_events(compare, server, kind, size):
    """All ways leave the same rows (target: 0.7 of the rate of the one that keeps order too), a commit for each group."""
    known, groups = ([], new_jobs()) if kind == "new jobs" else progress(size)
    comparison = compare(f"PostgreSQL: log {size} events of {kind}")
    cpu = compare(f"PostgreSQL: log {size} of {kind}: CPU of us", time.process_time)
    template = server.create_database()
    await filled(server, template, known)
    ready, numbered, plain, alone, shared = (server.create_database(template) for _ in range(5))
    columns = await prepared(server, ready, groups)
    async with AsyncExitStack() as stack:
        in_order, rows = [await stack.enter_async_context(bare(server, database)) for database in (numbered, plain)]
        stores = {
            "Store.record, from changes": await stack.enter_async_context(opened(server, alone)),
            "the same, of a replica": await stack.enter_async_context(joined(server, shared)),
        }
        for group, its in zip(groups, columns, strict=True):
            with comparison.time("asyncpg: rows in order"), cpu.time("asyncpg: rows in order"):
                await in_order.write(its, in_order=True)
            with comparison.time("asyncpg: rows alone"), cpu.time("asyncpg: rows alone"):
                await rows.write(its)
            for way, store in stores.items():
                with comparison.time(way), cpu.time(way):
                    await store.record("default", group)
    async with AsyncExitStack() as stack:
        found = [
            await columns_of(its.connection, its.types, 0)
            for its in [await stack.enter_async_context(bare(server, database)) for database in (numbered, alone)]
        ]
    assert found[0] == found[1]
    assert comparison.ratio("the same, of a replica", "asyncpg: rows in order") < 4


@asynccontextmanager
async def bare(server, database):
    connection = await asyncpg.connect(server.url(database))
    await connection.execute(SCHEMA)
    yield Bare(connection, await types_of(connection))
    await connection.close()


def opened(server, database):
    return open_postgres_store(PostgresAddress(url=server.url(database), replica="one"), RECEIVERS)


@asynccontextmanager
async def joined(server, database):
    """The store of a replica that holds the account: each of its transactions proves that."""
    async with open_store(PostgresAddress(url=server.url(database), replica="one"), RECEIVERS) as store:
        store.leases.request([account_lease("default")])
        with anyio.fail_after(60):
            while not store.leases.is_valid(account_lease("default")):
                await store.leases.changed().wait()
        yield store


async def filled(server, database, known):
    async with opened(server, database) as store:
        await store.checkpoint("default", Checkpoint(since=0, horizon=0))
        for group in known:
            await store.record("default", group)


async def prepared(server, database, groups):
    """What each group adds to each table, or changes there."""
    found = []
    async with bare(server, database) as reading, opened(server, database) as store:
        for group in groups:
            last = await reading.connection.fetchval("SELECT seq FROM log_head")
            await store.record("default", group)
            found.append(await columns_of(reading.connection, reading.types, last))
    return found
