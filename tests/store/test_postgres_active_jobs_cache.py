"""The active jobs in memory are those of the table, whatever happens to connections, transactions and the account's holder."""

import random

import pytest
from job_changes import CHECKPOINT, seen
from test_sqlite_active_jobs_cache import ACCOUNTS, Trial

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import parse_iso
from tracker.core.events.job_diff import Known
from tracker.core.jobs.job_reading import parse_job
from tracker.store.postgres.writing.store import open_postgres_store


@pytest.fixture
async def store(postgres_address):
    async with open_postgres_store(postgres_address) as store:
        yield store


class PostgresTrial(Trial):
    """As on SQLite; in place of a full disk, the server ends the connection."""

    def __init__(self, store, chance, end_connections):
        super().__init__(store, chance)
        self._end_connections = end_connections

    async def is_full(self, account, changes):
        async def work(connection):
            self._end_connections()
            await connection.execute("SELECT 1")

        with pytest.raises(StorageError):
            await self.store.database.write("testing", work)
        await self.goes_well(account, changes)


async def in_the_table(store, account):
    rows = await store.database.fetch("SELECT id, data, observed_at FROM jobs WHERE account = $1 AND active", account)
    return {id_: Known(parse_job(data.encode()), logged_at=parse_iso(at)) for id_, data, at in rows}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
async def test_memory_is_what_the_table_says(store, postgres_server, worker_database, seed):
    """After any records, failed ones too, what is remembered is what is in the table."""
    for account in ACCOUNTS:
        await store.checkpoint(account, CHECKPOINT)
    end_connections = lambda: postgres_server.terminate_connections(worker_database, "batch-tracker%")  # noqa: E731
    trial = PostgresTrial(store, random.Random(seed), end_connections)
    for _ in range(20):
        await trial.step()
        for account in ACCOUNTS:
            table = await in_the_table(store, account)
            assert await store.active_jobs(account) == table
            assert store.active_jobs_snapshot(account) == {id_: known.job for id_, known in table.items()}
            assert table == {id_: each.known for id_, each in trial.committed[account].items() if each.known.active}


async def test_reading_again_asks_nothing(store):
    """Once read, the active jobs need no statement, also after changes."""
    await store.record("default", [seen()])
    await store.active_jobs("default")
    await store.record("default", [seen("later")])
    async with open_postgres_store(store.database.address) as other:
        await other.record("default", [seen("of-another-process")])
    assert sorted(await store.active_jobs("default")) == ["job-1", "later"]


async def test_account_that_another_process_had(store):
    """An account that is forgotten, as where its lease is gained, is read again; others are not."""
    for account in ACCOUNTS:
        await store.record(account, [seen(account=account)])
        await store.active_jobs(account)
    async with open_postgres_store(store.database.address) as other:
        for account in ACCOUNTS:
            await other.record(account, [seen("new", account=account)])
    store.forget_account("default")
    assert sorted(await store.active_jobs("default")) == ["job-1", "new"]
    assert sorted(await store.active_jobs("other")) == ["job-1"]
