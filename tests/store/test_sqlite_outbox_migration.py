"""A log from before there were deliveries: kept to the byte, not delivered again, and delivered from then on."""

import sqlite3
from contextlib import closing

import pytest
from job_changes import CHECKPOINT, moved, seen, seen_many
from outboxes import EVERYTHING, claimed, rows, states

from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import migrate

EVENTS = "SELECT seq, id, type, account, job, created_at, observed_at, backfilled, body FROM events ORDER BY seq"


@pytest.fixture
async def old(path, tmp_path):
    """A file of schema 1 with the log of three jobs, one of them running."""
    async with open_store(tmp_path / "new.db") as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", [*seen_many(2, status="SUCCESS"), seen("running", status="RUNNING")], watermark=7)
    migrate(path, MIGRATIONS[:1])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        for table in ("accounts", "events", "jobs"):
            columns = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO {table} SELECT {columns} FROM new.{table}")  # noqa: S608 - of constants
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        yield path, connection.execute(EVENTS).fetchall()


async def test_log_of_an_older_version_is_kept_and_not_delivered(old):
    """Bringing the file up to date delivers nothing that was logged before, changes no event, and counts the jobs."""
    path, events = old
    async with open_store(path, [EVERYTHING]) as store:
        assert await rows(store) == []
        assert await claimed(store) == []
        assert [tuple(row) for row in await store._database.fetch(EVENTS)] == events
        assert (await store.checkpoint("default", CHECKPOINT)).watermark == 7
        counts = await store._database.fetch("SELECT * FROM job_counts")
        assert sorted(map(tuple, counts)) == [("default", "RUNNING", 0, 1), ("default", "SUCCESS", 0, 2)]
    assert verify(path).differences == ()


async def test_older_log_goes_on_with_deliveries(old):
    """The next event takes the next seq and is delivered, also that of a job that the older version knew."""
    path, events = old
    async with open_store(path, [EVERYTHING]) as store:
        known = (await store.known_jobs("default", ["running"]))["running"]
        running = seen("running", status="RUNNING")
        assert known == running.known
        await store.record("default", [moved(running, status="SUCCESS"), seen("fresh")])
        assert [delivery.seq for delivery in await claimed(store)] == [len(events) + 2, len(events) + 1]
        assert await states(store) == ["pending", "pending"]
    assert verify(path).differences == ()
