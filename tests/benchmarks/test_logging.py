"""Logging events durably: ours, and the same rows by the standard library's SQLite alone."""

import shutil
import sqlite3
import time
from contextlib import closing

import msgspec
import pytest
from canned import job

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.job_diff import diff, first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.store import Checkpoint
from tracker.store.opening import open_store
from tracker.store.records.stored_events import StoredEvent

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

NOW = 1_795_500_000_000
GROUP, GROUPS = 100, 40
HOPS = 1  # to the connection's thread and back
RECEIVERS = (Subscription(receiver="pipeline", events=("*",)),)
TABLES = {
    "events": "SELECT e.seq, e.id, e.account, e.observed_at, e.body, base.body, e.type, e.job, e.created_at, e.backfilled"
    " FROM events AS e LEFT JOIN events AS base ON base.seq = e.base WHERE e.seq > ? ORDER BY e.seq",
    "deliveries": "SELECT * FROM deliveries WHERE seq > ? ORDER BY seq",
    "jobs": "SELECT account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data FROM jobs"
    " WHERE seq > ? ORDER BY seq",
}
COLUMNS = {
    "events": "(seq, id, account, observed_at, body, type, job, created_at, backfilled)",
    "deliveries": "",
    "jobs": "(account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data)",
}
UPSERT = "ON CONFLICT (account, id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("status", "active", "deleted", "created_at", "observed_at", "seq", "data")
)


class Raw:
    """The rows, ready, by `executemany`: into the same tables with their indexes, and with our triggers or without them."""

    def __init__(self, path, *, triggers):
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
        if not triggers:
            for (name,) in self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                self.connection.execute(f"DROP TRIGGER {name}")

    def write(self, rows):
        self.connection.execute("BEGIN IMMEDIATE")
        for table, its in rows.items():
            marks = ", ".join("?" * len(its[0]))
            upsert = UPSERT if table == "jobs" else ""
            self.connection.executemany(f"INSERT INTO {table} {COLUMNS[table]} VALUES ({marks}) {upsert}", its)  # noqa: S608
        self.connection.execute("COMMIT")


def new_jobs():
    """Groups of changes that make as many events each: jobs that are new and running, so that they give two."""
    numbers = range(0, GROUP * GROUPS // 2, GROUP // 2)
    return [
        [first_seen("default", read_job(job(number)), NOW) for number in range(first, first + GROUP // 2)] for first in numbers
    ]


def progress(size=GROUP):
    """The same of one event each, of jobs that are known."""
    numbers = range(0, size * GROUPS, size)
    known = [[first_seen("default", read_job(job(number)), NOW) for number in range(first, first + size)] for first in numbers]
    moved = [
        [diff("default", change.known, read_job(job(first + index, 1)), NOW + 1000) for index, change in enumerate(group)]
        for first, group in zip(numbers, known, strict=True)
    ]
    return known, moved


@pytest.mark.parametrize("kind", ["of new jobs", "of progress"])
async def test_logging_events(compare, tmp_path, kind):
    """All ways leave the same rows (target: 0.85 of the rate of the raw one, into the same tables), a commit for each group."""
    known, groups = ([], new_jobs()) if kind == "of new jobs" else progress()
    comparison, cpu = compare(f"log 100 events {kind}"), compare(f"log 100 events {kind}: CPU", time.process_time)
    async with open_store(tmp_path / "before.db", RECEIVERS) as store:
        await store.checkpoint("default", Checkpoint(since=0, horizon=0))
        for group in known:
            await store.record("default", group)
    for name in ("rows", "same", "bare", "ours"):
        shutil.copy(tmp_path / "before.db", tmp_path / f"{name}.db")
    rows = await _rows(tmp_path / "rows.db", groups)
    same, bare = Raw(tmp_path / "same.db", triggers=True), Raw(tmp_path / "bare.db", triggers=False)
    async with open_store(tmp_path / "ours.db", RECEIVERS) as store:
        await store.active_jobs("default")
        for group, its in zip(groups, rows, strict=True):
            with comparison.time("raw: the same tables"), cpu.time("raw: the same tables"):
                same.write(its)
            with comparison.time("raw: without the triggers"), cpu.time("raw: without the triggers"):
                bare.write(its)
            with comparison.time("Store.record, from changes"), cpu.time("Store.record, from changes"):
                await store.record("default", group)
    with closing(same.connection), closing(bare.connection), closing(sqlite3.connect(tmp_path / "ours.db")) as ours:
        for table in TABLES:
            assert _whole(same.connection, table, 0) == _whole(ours, table, 0) != []
    assert cpu.ratio("Store.record, from changes", "raw: the same tables") < 2


def _whole(connection, table, last):
    """The rows behind the seq `last`, events in their whole form, as the raw way writes all of them."""
    rows = connection.execute(TABLES[table], (last,)).fetchall()
    if table != "events":
        return rows
    wholes = [(StoredEvent(*row[:6]).whole(), row) for row in rows]
    return [(row[0], id_, row[2], row[3], body, *row[6:]) for (id_, body), row in wholes]


async def _rows(path, groups):
    """What each group adds to each table, or changes there."""
    found = []
    async with open_store(path, RECEIVERS) as store:
        with closing(sqlite3.connect(path)) as reading:
            for group in groups:
                (last,) = reading.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
                await store.record("default", group)
                found.append({table: _whole(reading, table, last) for table in TABLES})
    return found


async def test_hops_of_a_record(count, hops, tmp_path):
    """A record of a hundred changes goes to the connection's thread and back as often as a record of one."""
    counted = count("hops to SQLite and back per record")
    async with open_store(tmp_path / "tracker.db", RECEIVERS) as store:
        for changes in (1, GROUP):
            batch = [first_seen("default", read_job(job(number)), NOW) for number in range(changes, 2 * changes)]
            hops.clear()
            await store.record("default", batch)
            counted.record(f"{changes} jobs, {2 * changes} events", len(hops))
            assert len(hops) <= HOPS


async def test_archive_tasks_of_a_record(compare, hops, tmp_path):
    """Ends of jobs with their archive tasks take as many hops as without, and at most 1.5 times the CPU."""
    running = [first_seen("default", read_job(job(number)), NOW) for number in range(GROUP * GROUPS)]
    ends = [
        diff("default", each.known, msgspec.structs.replace(each.known.job, status="SUCCESS", output_file="out"), NOW + 1000)
        for each in running
    ]
    cpu = compare("record the ends of 100 jobs: CPU", time.process_time)
    async with open_store(tmp_path / "with.db") as archiving, open_store(tmp_path / "without.db") as plain:
        archiving.archive.enable(["default"])
        for store in (archiving, plain):
            await store.record("default", running)
        for first in range(0, len(ends), GROUP):
            for store, name in ((archiving, "with archive tasks"), (plain, "without")):
                hops.clear()
                with cpu.time(name):
                    await store.record("default", ends[first : first + GROUP])
                assert len(hops) <= HOPS
        assert (await archiving.archive.backlog())["default"].tasks == len(ends)
    assert cpu.ratio("with archive tasks", "without") < 1.5
