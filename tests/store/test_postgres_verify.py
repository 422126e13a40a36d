"""`verify` on PostgreSQL: no difference in a healthy log, and tampering reported; all that is compared is of one moment."""

import asyncpg
import pytest
from archiving import NOW, SAID, ended, results_of
from engines import Postgres
from job_changes import gone, seen

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import verify
from tracker.store.database_file_reports import Verification
from tracker.store.postgres.verification import verify as verification


@pytest.fixture
async def store(postgres_address):
    """Seven events of three jobs, one of them archived, with a NUL in an id and in what the log has of it."""
    first, other, over = seen("job-1", status="RUNNING"), seen("job\0", account="other", metadata={"k": "\0"}), ended("job-2")
    async with Postgres(postgres_address).store() as store:
        store.archive.enable(["default"])
        await store.record("default", [first, over])
        await store.record("other", [other])
        await store.record("other", [gone(other)])
        await store.archive.record(results_of(over, at=NOW, **SAID))
        yield store


async def tampered(store, sql):
    async def work(connection):
        await connection.execute("SET LOCAL session_replication_role = replica")  # no trigger keeps the log
        assert not (await connection.execute(sql)).endswith(" 0")

    await store.database.write("tampering", work)


async def test_a_healthy_log(store, postgres_address, monkeypatch):
    """The log and the tables agree, in as many pieces as the log is read in, while another process writes."""
    assert verify(postgres_address) == Verification(events=7, jobs=3, differences=())
    monkeypatch.setattr(verification, "_ROWS_AT_ONCE", 2)
    await store.record("default", [seen("job-3")])
    assert verify(postgres_address) == Verification(events=8, jobs=4, differences=())


@pytest.mark.parametrize(
    ("sql", "difference"),
    [
        (
            "UPDATE jobs SET status = 'QUEUED' WHERE id = 'job-1'",
            "account default, job job-1: status: the log says 'RUNNING', the table says 'QUEUED'",
        ),
        (
            "UPDATE jobs SET active = false WHERE id = 'job-1'",
            "account default, job job-1: active: the log says 1, the table says 0",
        ),
        (
            "UPDATE jobs SET data = '{' WHERE account = 'other'",
            "account other, job job\0: data: the log says {'id': 'job\\x00'",
        ),
        ("DELETE FROM jobs WHERE account = 'other'", "account other, job job\0: the log has it, the table lacks it"),
        ("UPDATE job_counts SET jobs = 7 WHERE deleted", "account other, jobs that are QUEUED, deleted: 7 counted, 1 there"),
        ("UPDATE events SET type = 'batch.failed' WHERE seq = 2", "event 2: type: the column has 'batch.failed', the body "),
        ("UPDATE events SET body = '{' WHERE seq = 2", "event 2: its body cannot be read: "),
        ("DELETE FROM events WHERE seq = 3", "event 4: expected seq 3"),
        ("DELETE FROM results", "account default, results of job job-2: the log has them, the table lacks them"),
        (
            "UPDATE results SET data = '{}'",
            "account default, results of job job-2: what the table holds of them cannot be read",
        ),
        (
            "INSERT INTO archive_tasks VALUES ('default', 'job-1', 1, 1, 0, '', '')",
            "account default, archive task of job job-1: there is no such job that has ended",
        ),
        ("UPDATE log_head SET seq = 9", "the log ends with event 7, the counter that numbers events is at 9"),
    ],
)
async def test_tampering_is_reported(store, postgres_address, sql, difference):
    """A row of any table that was changed, removed or made up is reported as what it is."""
    await tampered(store, sql)
    found = verify(postgres_address).differences
    assert any(each.startswith(difference) for each in found), found


@pytest.mark.usefixtures("store")
async def test_commit_within_the_comparison_is_not_compared(postgres_address, postgres_server, monkeypatch):
    """A job that is recorded while the log is read is in neither the log nor the tables that are compared."""
    database, cursor = postgres_address.url.rpartition("/")[2], asyncpg.Connection.cursor

    def late(connection, sql, *parameters):
        if "FROM jobs" in sql and "sum(" not in sql:
            postgres_server.fetch("UPDATE batch_tracker.jobs SET status = 'SUCCESS', seq = 99", database=database)
        return cursor(connection, sql, *parameters)

    monkeypatch.setattr(asyncpg.Connection, "cursor", late)
    assert verify(postgres_address).differences == ()
    monkeypatch.undo()
    assert len(verify(postgres_address).differences) > 0


async def test_no_schema_is_an_error(postgres_url):
    """There is nothing to verify where `run` was never started."""
    with pytest.raises(StorageError, match="there is no schema batch_tracker"):
        verify(PostgresAddress(url=postgres_url, replica="test"))
