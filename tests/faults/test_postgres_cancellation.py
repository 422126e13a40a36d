"""Cancelled at every await on PostgreSQL, what writes has written all or nothing, and holds no lock."""

from contextlib import asynccontextmanager

import anyio
import pytest
from cancelling import WITHIN, at_every_await, by_its_scope, by_its_task
from job_changes import seen
from outboxes import EVERYTHING
from store_operations import OPERATIONS, Material
from tables import fetch

from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import verify
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.postgres.writing.store import open_postgres_store

LEAST_AWAITS = 2

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'batch_tracker' AND tablename <> 'writers' ORDER BY 1"

NOTHING_IS_LOCKED = """
DO $$ BEGIN
  WHILE EXISTS (SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE relname IN ('deliveries', 'events', 'jobs', 'log_head', 'receivers') AND pg_locks.pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) LOOP
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$"""
"""Returns once no transaction is open that has touched a table: the server takes a moment to see that a connection is gone."""


@pytest.fixture(scope="module")
async def material(postgres_server, migrated_template):
    name = postgres_server.create_database(migrated_template)
    material = await Material(_address(postgres_server, name)).make()
    return material, name


def _address(server, database):
    return PostgresAddress(url=server.url(database), replica="test")


class Trial:
    """One operation on copies of the database: as it is meant to be, and then cancelled at each of its awaits."""

    def __init__(self, server, material, operation):
        self._server, (self._material, self._template), self._operation = server, material, operation
        tables = [name for (name,) in server.fetch(TABLES, database=self._template)]
        rows = [f"SELECT '{name}', each::text FROM batch_tracker.{name} AS each" for name in tables]  # noqa: S608
        self._all_rows = " UNION ALL ".join(rows) + " ORDER BY 1, 2"

    async def run(self, cancelling):
        """Where it was cancelled."""
        self._cancelling = cancelling
        self._states = [self._content(self._template)]  # that it may leave: before, after, and after each of its commits
        async with self._store(used=lambda name: self._states.append(self._content(name))) as (store, name, heard):
            await self._operation(store, self._material)
            self._heard = heard()
            assert self._content(name) == self._states[-1]
        return await at_every_await(self._cancelled)

    async def _cancelled(self, at):
        async with self._store() as (store, name, heard):
            awaits = await self._cancelling(at, lambda: self._operation(store, self._material))
            where = f"cancelled at {awaits.hit}"
            with anyio.fail_after(WITHIN):
                await anyio.to_thread.run_sync(lambda: self._server.fetch(NOTHING_IS_LOCKED, database=name))
            content = self._content(name)
            assert content in self._states, f"half of it is there, {where}"
            if self._cancelling is by_its_scope:
                happened = content == self._states[-1] != self._states[0]
                assert heard() == (self._heard if happened else ([], False)), f"others were notified of something else, {where}"
            await _goes_on(store)
        return awaits

    def _content(self, name):
        return self._server.fetch(self._all_rows, database=name)

    @asynccontextmanager
    async def _store(self, used=lambda _name: None):
        """A store of a copy, and what has been heard of it; sound in the end."""
        name, notified_ids = self._server.create_database(self._template), []
        address = _address(self._server, name)
        async with open_postgres_store(
            address,
            [EVERYTHING],
            notified=lambda event, _backfilled: notified_ids.append(event.id),
            used=lambda _use, _well: used(name),
        ) as store:
            changed = store.wakeups.deliveries_changed("pipeline")
            yield store, name, lambda: (list(notified_ids), changed.is_set())
        assert verify(address).differences == ()
        self._server.drop_database(name)


async def _goes_on(store):
    """What is in memory is what is in the database, and the next change is recorded."""
    with anyio.fail_after(WITHIN):
        active = {id_: known.job.status for id_, known in (await store.active_jobs("default")).items()}
        assert active == dict(await fetch(store, "SELECT id, status FROM jobs WHERE account = 'default' AND active"))
        await store.record("default", [seen("after")])
    assert await fetch(store, "SELECT job FROM events ORDER BY seq DESC LIMIT 1") == [("after",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "cancelling"),
    [
        *((name, by_its_scope) for name in ("record", "settle")),
        *((name, by_its_task) for name in ("record", "append", "settle", "replay of a range", "enable", "prune", "results")),
    ],
)
async def test_an_operation_of_the_store(postgres_server, material, operation, cancelling):
    """At whichever await it is cancelled no transaction is open, the change is whole or absent, and the next one works."""
    places = await Trial(postgres_server, material, OPERATIONS[operation]).run(cancelling)
    assert places.total() >= LEAST_AWAITS, places


@pytest.mark.slow
async def test_a_store_that_commits_halfway_is_found(postgres_server, material, monkeypatch):
    """A transaction that commits in its middle does not pass."""
    append = EventLog.append

    async def committed_halfway(log, connection, entries):
        appended = await append(log, connection, entries)
        await connection.execute("COMMIT")
        await connection.execute("BEGIN")
        return appended

    monkeypatch.setattr(EventLog, "append", committed_halfway)
    with pytest.raises(AssertionError, match="half of it is there"):
        await Trial(postgres_server, material, OPERATIONS["record"]).run(by_its_task)
