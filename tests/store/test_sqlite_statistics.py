"""The figures for the metrics: of real files, also while they are written, locked, or missing."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
from job_changes import SINCE, seen
from outboxes import EVERYTHING

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import iso
from tracker.core.ports.store import DatabaseUse
from tracker.core.queries.backlog import Backlog
from tracker.store.opening import open_statistics, open_store
from tracker.store.sqlite.database.schema import migrate, wal_reset_affected


async def test_sizes_are_those_of_the_files(path):
    """The database and its write-ahead log as they lie there, a log that is missing being empty; through a link, too."""
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with open_store(path) as store:
        await store.record("default", [seen("a")])
        wal = path.with_name("tracker.db-wal").stat().st_size
        assert wal > 0
        assert open_statistics(path).sizes() == open_statistics(link).sizes() == (path.stat().st_size, wal)
    assert open_statistics(path).sizes() == (path.stat().st_size, 0)


def test_engine_is_the_library_that_is_loaded(path):
    """The version is the one that runs, and whether it is affected what the start warns of."""
    assert open_statistics(path).engine() == (sqlite3.sqlite_version, wal_reset_affected(sqlite3.sqlite_version_info))


@pytest.mark.parametrize("name", ["jobs", "backlogs", "circuits", "last_seq", "sizes"])
async def test_missing_file_is_an_error_and_is_not_made(path, name):
    """No file: each question raises, and none is made by asking."""
    with pytest.raises((sqlite3.Error, OSError)):
        getattr(open_statistics(path), name)()
    assert not path.exists()


async def test_locked_file_is_an_error_soon(path, monkeypatch):
    """A file that is locked exclusively is waited for briefly, no longer."""
    monkeypatch.setattr("tracker.store.sqlite.reading.statistics._LOCK_TIMEOUT", 0.01)
    migrate(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            open_statistics(path).jobs()


async def test_reading_sees_what_is_committed_and_does_not_wait(path):
    """In the middle of a transaction the facts are those of before it."""
    async with open_store(path) as store:
        await store.record("default", [seen("a")])

        def work(connection):
            connection.execute("UPDATE jobs SET status = 'FAILED'")
            return [row for row in open_statistics(path).jobs() if row[3]]

        assert await store._database.write("testing", work) == [("default", "QUEUED", False, 1)]


class Interrupting(sqlite3.Connection):
    """A connection between whose queries another one commits."""

    between = None

    def execute(self, *statement):
        found = super().execute(*statement)
        if Interrupting.between and statement[0].startswith("SELECT"):
            rows = found.fetchall()
            Interrupting.between()
            return SimpleNamespace(fetchall=lambda: rows)
        return found


async def test_backlog_is_of_one_moment(path, monkeypatch):
    """A delivery that dies between two looks is pending or dead, not both."""
    connect = sqlite3.connect
    monkeypatch.setattr(
        "tracker.store.sqlite.reading.statistics.sqlite3.connect", lambda *a, **how: connect(*a, factory=Interrupting, **how)
    )
    async with open_store(path, [EVERYTHING]) as store:
        await store.record("default", [seen("a")])

    def dies():
        Interrupting.between = None
        with closing(connect(path, isolation_level=None)) as other:
            assert other.execute("UPDATE deliveries SET state = 'dead'").rowcount == 1

    monkeypatch.setattr(Interrupting, "between", dies)
    assert open_statistics(path).backlogs() == {"pipeline": Backlog(1, 0, iso(SINCE))}
    assert open_statistics(path).backlogs() == {"pipeline": Backlog(0, 1, None)}


async def test_use_that_fails_is_passed_on(path):
    """A write to a full file and a read of one that is away are passed on once, as failed."""
    used = []
    async with open_store(path, used=lambda use, well: used.append((use, well))) as store:
        used.clear()  # of the opening
        async with store._database.connected("testing") as connection:
            await connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StorageError, match="full"):
            await store.record("default", [seen(f"job-{number}", metadata={"x": "y" * 9000}) for number in range(9)])
        assert used == [(DatabaseUse.READ, True), (DatabaseUse.WRITE, False)]
        used.clear()
        path.rename(path.with_name("away.db"))
        with pytest.raises(StorageError):
            await store.active_jobs("default")
        assert used == [(DatabaseUse.READ, False)]
