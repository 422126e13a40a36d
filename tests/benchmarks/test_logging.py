"""Logging events durably: ours, and the same rows by the standard library's SQLite alone."""

import sqlite3

import pytest
from aiosqlite import Connection
from canned import job

from tracker.core.diff import first_seen
from tracker.core.fanout import Subscription
from tracker.core.job import read_job
from tracker.core.ports import Contact
from tracker.store.reader import EventFilter, open_reader
from tracker.store.writer import open_store

pytestmark = pytest.mark.no_cover  # counting lines would be what is measured

NOW = 1_795_500_000_000
BATCH, BATCHES = 100, 20
HOPS = 1  # to the connection's thread and back
INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_JOB = "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


async def test_logging_events(compare, tmp_path):
    """Both ways leave the same events, each 100 changes in one transaction that is on disk."""
    comparison = compare(f"log {BATCH} new jobs, {2 * BATCH} events")
    batches = [
        [first_seen("default", read_job(job(number)), NOW) for number in range(first, first + BATCH)]
        for first in range(0, BATCH * BATCHES, BATCH)
    ]
    async with open_store(tmp_path / "ours.db") as store:
        await store.contact("default", Contact(since=0, horizon=0))
        for batch in batches:
            await store.record("default", batch)
    with sqlite3.connect(tmp_path / "ours.db") as ours:
        schema = [sql for (sql,) in ours.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type != 'trigger'")]
        events = ours.execute("SELECT * FROM events ORDER BY seq").fetchall()
        jobs = {row[1]: row for row in ours.execute("SELECT * FROM jobs")}
    raw = sqlite3.connect(tmp_path / "raw.db", isolation_level=None)
    raw.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + ";".join(schema))
    (tmp_path / "ours.db").unlink()
    async with open_store(tmp_path / "again.db") as store:
        await store.contact("default", Contact(since=0, horizon=0))
        for number, batch in enumerate(batches):
            rows = events[2 * BATCH * number : 2 * BATCH * (number + 1)]
            with comparison.time("raw: sqlite3, the rows ready"):
                raw.execute("BEGIN IMMEDIATE")
                raw.executemany(INSERT_EVENT, rows)
                raw.executemany(INSERT_JOB, [jobs[change.known.job.id] for change in batch])
                raw.execute("COMMIT")
            with comparison.time("Store.record, from changes"):
                await store.record("default", batch)
    assert raw.execute("SELECT count(*) FROM events").fetchone() == (2 * BATCH * BATCHES,)
    raw.close()
    async with open_reader(tmp_path / "again.db") as reader:
        assert len(await reader.events(0, EventFilter(), limit=10_000)) == 2 * BATCH * BATCHES


async def test_hops_of_a_record(count, tmp_path, monkeypatch):
    """A record of a hundred changes goes to the connection's thread and back as often as a record of one."""
    counted = count("hops to SQLite and back per record")
    async with open_store(tmp_path / "tracker.db", [Subscription(receiver="pipeline", events=("*",))]) as store:
        hops = []
        execute = Connection._execute

        async def noted(connection, *arguments):
            hops.append(arguments)
            return await execute(connection, *arguments)

        monkeypatch.setattr(Connection, "_execute", noted)
        for changes in (1, BATCH):
            batch = [first_seen("default", read_job(job(number)), NOW) for number in range(changes, 2 * changes)]
            hops.clear()
            await store.record("default", batch)
            counted.note(f"{changes} jobs, {2 * changes} events", len(hops))
            assert len(hops) <= HOPS
