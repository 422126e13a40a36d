"""The SQLite schema: an append-only log, the settings that keep it, and files that only their owner can read."""

import os
import sqlite3
import stat
from contextlib import closing

import msgspec
import pytest
from job_changes import seen, seen_many
from sqlite_plans import plans

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.filters import EventFilter
from tracker.store.opening import open_reader, open_store
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import APPLICATION_ID, migrate, wal_reset_affected
from tracker.store.sqlite.files.file_signature import check_signature


@pytest.fixture
async def written(path):
    """A database with three events, closed."""
    async with open_store(path) as store:
        await store.record("default", seen_many(3))
    return path


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 2", "the log is append-only"),
        ("UPDATE events SET seq = 4 WHERE seq = 3", "the log is append-only"),
        ("UPDATE OR REPLACE events SET seq = 1 WHERE seq = 2", "the log is append-only"),
        ("DELETE FROM events WHERE seq = 3", "the log is append-only"),
        ("DELETE FROM events", "the log is append-only"),
        ("INSERT INTO events VALUES (5, 'e', 't', 'a', 'j', 1, 'o', 0, '{}', NULL)", "seq must grow by one"),
        ("INSERT INTO events VALUES (3, 'e', 't', 'a', 'j', 1, 'o', 0, '{}', NULL)", "seq must grow by one"),
        ("INSERT INTO events VALUES (0, 'e', 't', 'a', 'j', 1, 'o', 0, '{}', NULL)", "seq must grow by one"),
        ("INSERT OR REPLACE INTO events VALUES (3, 'e', 't', 'a', 'j', 1, 'o', 0, '{}', NULL)", "seq must grow by one"),
        ("REPLACE INTO events SELECT 4, id, 't', 'a', 'j', 1, 'o', 0, '{}', NULL FROM events LIMIT 1", "append-only"),
        ("INSERT INTO events VALUES (4, 'e', 't', 'a', 'j', 'soon', 'o', 0, '{}', NULL)", "cannot store TEXT"),
    ],
)
async def test_the_log_is_append_only(written, sql, why):
    """No connection can change an event, remove one, or leave a gap."""
    with closing(sqlite3.connect(written, isolation_level=None)) as connection:
        before = connection.execute("SELECT * FROM events").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match=why):
            connection.execute(sql)
        assert connection.execute("SELECT * FROM events").fetchall() == before


async def test_the_log_does_grow(written):
    """The triggers let the next event in."""
    with closing(sqlite3.connect(written, isolation_level=None)) as connection:
        connection.execute("INSERT INTO events VALUES (4, 'e', 't', 'a', 'j', 1, 'o', 0, '{}', NULL)")
        assert connection.execute("SELECT max(seq) FROM events").fetchone() == (4,)


async def test_settings_of_the_writer(path):
    """The connection that writes uses WAL with synchronous=FULL, as does the one after an error."""
    async with open_store(path) as store:
        for _ in range(2):
            assert await _settings(store) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
            await store._database._disconnect()
            await store._database.open()


async def _settings(store):
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    return {name: (await store._database.fetch(f"PRAGMA {name}"))[0][0] for name in names}


@pytest.mark.parametrize("pragma", [f"application_id = {APPLICATION_ID + 1}", "user_version = 3"])
def test_another_programs_file_is_known_by_its_first_bytes(path, pragma):
    """Also while it holds nothing: SQLite is not asked, which would undo first what its own program has begun."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA {pragma}")
    with pytest.raises(StorageError, match="found one of another program"):
        check_signature(path, APPLICATION_ID)


async def test_the_file_says_whose_it_is(written):
    """The file carries the application's id and the number of the newest migration."""
    with closing(sqlite3.connect(written)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_files_are_the_owners_alone(path, umask):
    """Whatever the umask, neither the database, nor its WAL, nor the lock can be read by group or others."""
    before = os.umask(umask)
    try:
        async with open_store(path) as store:
            await store.record("default", [seen()])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes.keys() == {"tracker.db", "tracker.db-wal", "tracker.db-shm", "tracker.db.lock"}
    assert not any(mode & 0o077 for mode in modes.values())
    assert modes["tracker.db"] == 0o600


async def test_chosen_file_mode_stays(written):
    """A file that was opened to its group is not closed again."""
    written.chmod(0o640)
    async with open_store(written):
        assert stat.S_IMODE(written.stat().st_mode) == 0o640


async def test_directories_are_made(tmp_path):
    """The directories of a path that does not exist yet are made."""
    path = tmp_path / "state" / "batch tracker?#%41" / "tracker.db"
    async with open_store(path) as store:
        await store.record("default", [seen()])
    assert path.is_file()


@pytest.mark.parametrize(
    ("version", "affected"),
    [((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((4, 0, 0), False)],
)
def test_versions_with_the_wal_reset_bug(version, affected):
    """The versions that have the bug are those from 3.7.0 to 3.51.2."""
    assert wal_reset_affected(version) is affected


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda store: store.active_jobs("default"), "jobs_active"),
        (lambda store: store.known_jobs("default", ["job-1", "job-2"]), "PRIMARY KEY"),
        (lambda store: store.count_created("default", 5), "jobs_created"),
        (lambda store: store.creation_of_nth_newest("default", 3), "jobs_created"),
    ],
    ids=["active jobs", "known jobs", "how many were created", "the nth newest"],
)
async def test_indexes_of_the_store(path, read, index):
    """What every sweep asks is answered from an index, so that its time does not grow with the log."""
    async with open_store(path) as store:
        plan = " ".join(await plans(store, read(store)))
    assert f"INDEX {index} " in plan or f"USING {index} " in plan
    assert "B-TREE" not in plan


async def test_the_index_of_a_jobs_events(path):
    """The events of one job are found by their index, in the log's order as they stand."""
    migrate(path)
    async with open_reader(path) as reader:
        plan = " ".join(await plans(reader, reader.events(0, EventFilter(job="job-1"))))
    assert "SEARCH events USING INDEX events_of_job (job=? AND seq>? AND seq<?)" in plan
    assert "B-TREE" not in plan


async def test_the_job_of_an_event_that_is_not_there(written):
    """A job cannot point to an event that the log does not have."""
    with closing(sqlite3.connect(written, isolation_level=None)) as connection:
        for change in (
            "UPDATE jobs SET seq = 17",
            "INSERT INTO jobs SELECT account, 'new', status, 1, 0, 0, '', '', 17, '', 1, NULL, NULL FROM jobs",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="as an event has it"):
                connection.execute(change)


async def test_backfilled_events_are_marked(path):
    """What had ended before the first contact is marked in the log."""
    old = msgspec.structs.replace(seen("old", status="SUCCESS"), backfilled=True)
    async with open_store(path) as store:
        await store.record("default", [old, seen("new")])
    with closing(sqlite3.connect(path)) as connection:
        marked = connection.execute("SELECT job, backfilled FROM events ORDER BY seq").fetchall()
    assert marked == [("old", 1), ("old", 1), ("new", 0)]
