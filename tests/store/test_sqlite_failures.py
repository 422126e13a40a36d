"""A full disk, a file that is moved, another process that locks it: an error, nothing half, and recovery afterwards."""

import shutil
import sqlite3
import threading
from contextlib import closing

import pytest
from engines import Sqlite
from job_changes import CHECKPOINT, moved, seen, seen_many
from small_files import no_file_grows_beyond

from tracker.core.errors.storage_error import StorageError
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store
from tracker.store.sqlite.database.schema import migrate

MOVED = "the file was moved, deleted or replaced while it was in use"
GONE = "there is no such file any more"
NO_FILE = "failed: unable to open database file"
BIG = {"note": "x" * 20_000}


@pytest.fixture
async def store(path):
    async with open_store(path) as store:
        yield store


async def test_a_full_database(store, path):
    """SQLITE_FULL is an error that leaves nothing of the record, and the next record works once there is room."""
    await store.checkpoint("default", CHECKPOINT)
    await store.record("default", [seen("before")], watermark=1)
    await store._database._connection.execute("PRAGMA max_page_count = 20")
    for _ in range(3):
        with pytest.raises(StorageError, match=rf"{path}: recording events failed: database or disk is full"):
            await store.record("default", [seen(f"big-{n}", metadata=BIG) for n in range(50)], watermark=2)
        assert list(await store.active_jobs("default")) == ["before"]
        assert (await store.checkpoint("default", CHECKPOINT)).watermark == 1
    await store._database._connection.execute("PRAGMA max_page_count = 1000000")
    await store.record("default", [seen("after")])
    assert [event["seq"] for event in await Sqlite(path.parent).log()] == [1, 2]
    assert verify(path).differences == ()


async def test_writes_that_fail(store, path):
    """As long as the kernel refuses writes each record fails whole, reading goes on, and then all is well."""
    await store.record("default", [seen("before")])
    with no_file_grows_beyond(200_000):
        for attempt in range(3):
            with pytest.raises(StorageError, match="recording events failed: disk I/O error"):
                await store.record("default", [seen(f"big-{attempt}-{n}", metadata=BIG) for n in range(50)])
            assert list(await store.active_jobs("default")) == ["before"]
    await store.record("default", [seen("after")])
    assert [event["seq"] for event in await Sqlite(path.parent).log()] == [1, 2]
    assert verify(path).differences == ()


async def test_probe_writes(store, path):
    """`probe` finds a disk that takes no more, though not a row would have changed, and finds it well again."""
    await store.record("default", [seen()])
    with no_file_grows_beyond(path.with_name("tracker.db-wal").stat().st_size):
        assert "probing failed: disk I/O error" in (await store.probe() or "nothing")
    assert await store.probe() is None


async def test_probe_remembers_what_could_not_be_recorded(store):
    """On a disk that has room for the probe and none for the events, `probe` says why until a record has succeeded."""
    await store._database._connection.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StorageError):
        await store.record("default", [seen(f"big-{n}", metadata=BIG) for n in range(50)])
    assert "recording events failed: database or disk is full" in (await store.probe() or "nothing")
    await store._database._connection.execute("PRAGMA max_page_count = 1000000")
    assert await store.probe()
    await store.record("default", [])
    assert await store.probe() is None


async def test_probe_changes_nothing(store, path):
    """After `probe` the file says what it said."""
    await store.record("default", [seen()])
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
        assert await store.probe() is None
        assert list(connection.iterdump()) == before
        assert connection.execute("PRAGMA user_version").fetchone() != (0,)


async def test_a_locked_database(store, path):
    """Where another program keeps the file locked each write says so, reading goes on, and later all is well."""
    await store.record("default", [seen("before")])
    await store._database._connection.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="recording events failed: database is locked"):
            await store.record("default", [seen("during")])
        assert list(await store.active_jobs("default")) == ["before"]
    await store.record("default", [seen("after")])
    assert sorted(await store.active_jobs("default")) == ["after", "before"]


async def test_a_file_that_was_moved_away(store, path):
    """SQLite would go on writing to a file that has lost its name: instead each call fails until it is back."""
    change = seen()
    await store.record("default", [change])
    away = path.with_name("away.db")
    path.rename(away)
    for said in (MOVED, GONE, GONE):
        with pytest.raises(StorageError, match=said):
            await store.record("default", [moved(change, status="RUNNING")])
    with pytest.raises(StorageError, match=GONE):
        await store.active_jobs("default")
    assert GONE in (await store.probe() or "nothing")
    assert not path.exists()
    away.rename(path)
    await store.record("default", [moved(change, status="RUNNING")])
    assert [event["type"] for event in await Sqlite(path.parent).log()] == ["batch.created", "batch.started"]


async def test_a_moved_file_is_whole(store, path):
    """Once the loss of the file was reported, all that was recorded is in the moved file, without its WAL."""
    await store.record("default", seen_many(3))
    away = path.with_name("away.db")
    path.rename(away)
    assert MOVED in (await store.probe() or "nothing")
    assert verify(away).events == 3
    assert path.with_name("tracker.db-wal").stat().st_size == 0


async def test_a_directory_takes_the_files_place(store, path):
    """Where opening again fails, each attempt is an error of the database, and a later one succeeds."""
    await store.record("default", [seen("before")])
    away = path.with_name("away.db")
    path.rename(away)
    path.mkdir()
    for said in (MOVED, NO_FILE, NO_FILE):
        with pytest.raises(StorageError, match=said):
            await store.record("default", [seen("during")])
    path.rmdir()
    away.rename(path)
    await store.record("default", [seen("after")])
    assert sorted(await store.active_jobs("default")) == ["after", "before"]


async def test_another_database_takes_the_files_place(store, path):
    """A file that is put in the place of ours, such as a backup, is reported once, and read as it is from then on."""
    await store.record("default", [seen("before")])
    other = path.with_name("other.db")
    migrate(other)
    other.rename(path)
    with pytest.raises(StorageError, match=MOVED):
        await store.record("default", [seen("during")])
    assert await store.active_jobs("default") == {}
    await store.record("default", [seen("after")])
    assert [event["seq"] for event in await Sqlite(path.parent).log()] == [1]
    assert verify(path).differences == ()


@pytest.mark.parametrize(
    ("making", "said"),
    [
        ("CREATE TABLE theirs (x)", "found one of another program"),
        ("PRAGMA application_id = 1112822347; PRAGMA user_version = 99", "written by a newer batch-tracker"),
        ("VACUUM", "found an empty one"),
    ],
)
async def test_a_foreign_file_takes_the_files_place(store, path, making, said):
    """What is not our database is not written to because it has our database's name."""
    await store.record("default", [seen("before")])
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript(making)
    other.rename(path)
    before = path.read_bytes()
    for reason in (MOVED, said, said):
        with pytest.raises(StorageError, match=reason):
            await store.record("default", [seen("during")])
    assert path.read_bytes() == before


async def test_a_damaged_job_is_an_error(path):
    """A job that cannot be read back is named, with what is wrong with it."""
    async with open_store(path) as store:
        await store.record("default", [seen()])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute('UPDATE jobs SET data = \'{"id": "job-1"}\'')
    async with open_store(path) as store:
        with pytest.raises(StorageError, match="job job-1: what the database holds of it cannot be read: Object missing"):
            await store.active_jobs("default")


async def test_an_error_in_the_program_is_not_hidden(store, path):
    """What is no failure of the database is raised as what it is, leaves nothing, and the store goes on."""
    with pytest.raises(AttributeError):
        await store.record("default", [seen("before"), "no change"])
    await store.record("default", [seen("after")])
    assert [event["data"]["id"] for event in await Sqlite(path.parent).log()] == ["after"]


async def test_nothing_is_left_open(path):
    """A store whose file has gone leaves no thread behind that would keep the process alive."""
    before = threading.enumerate()
    async with open_store(path) as store:
        shutil.move(path, path.with_name("away.db"))
        assert await store.probe()
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in left)
