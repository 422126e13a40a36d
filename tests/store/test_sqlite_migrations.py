"""Bringing a file to the newest schema, in one transaction, and refusing what is not ours to change."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from databases import make

from tracker.core.errors.storage_error import StorageError
from tracker.store.opening import open_store
from tracker.store.records.rare_events import FREQUENT_TYPES
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import APPLICATION_ID, migrate

ADDS_A_TABLE = "CREATE TABLE second (x INTEGER) STRICT; INSERT INTO second SELECT since FROM accounts;"
ADDS_A_COLUMN = "ALTER TABLE second ADD COLUMN y TEXT; UPDATE second SET y = x;"
FAILS_LATE = "CREATE TABLE third (x INTEGER) STRICT; INSERT INTO no_such_table VALUES (1);"


@pytest.fixture
def older(path):
    """A file of the first version with something in it."""
    migrate(path, MIGRATIONS[:1])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO accounts VALUES ('default', 17, 4, NULL)")
    return path


def dumped(path):
    """Everything in the file: its tables, rows and version."""
    with closing(sqlite3.connect(path)) as connection:
        return [*connection.iterdump(), connection.execute("PRAGMA user_version").fetchone()]


def test_an_older_file_is_brought_up_to_date(older):
    """Every migration that the file lacks is applied, in order, and what was in it stays."""
    migrate(older, (*MIGRATIONS[:1], ADDS_A_TABLE, ADDS_A_COLUMN))
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT x, y FROM second").fetchall() == [(17, "17")]
        assert connection.execute("SELECT name, since FROM accounts").fetchall() == [("default", 17)]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


def test_only_what_is_missing_is_applied(older):
    """A file that has some of the migrations is given the others alone, and one that has all of them is left alone."""
    migrate(older, (*MIGRATIONS[:1], ADDS_A_TABLE))
    migrate(older, (*MIGRATIONS[:1], ADDS_A_TABLE, ADDS_A_COLUMN))
    before = dumped(older)
    migrate(older, (*MIGRATIONS[:1], ADDS_A_TABLE, ADDS_A_COLUMN))
    assert dumped(older) == before


def test_a_failing_migration_leaves_the_file_as_it_was(older):
    """Where the last of several migrations fails, none of them has happened."""
    before = dumped(older)
    with pytest.raises(StorageError, match="no such table: no_such_table"):
        migrate(older, (*MIGRATIONS[:1], ADDS_A_TABLE, "DELETE FROM accounts;", FAILS_LATE))
    assert dumped(older) == before
    migrate(older, (*MIGRATIONS[:1], ADDS_A_TABLE))
    assert dumped(older)[-1] == (2,)


def test_a_failing_first_migration_leaves_nothing(path):
    """A new file whose schema cannot be made stays empty, so that the next start finds it new."""
    with pytest.raises(StorageError, match="no_such_table"):
        migrate(path, (FAILS_LATE,))
    assert path.read_bytes() == b""
    migrate(path)
    assert dumped(path)[-1] == (len(MIGRATIONS),)


def test_a_first_start_that_was_killed_is_made_up_for(path):
    """A file left half-made, with the journal that undoes it, becomes a database at the next start."""
    _killed_after(
        path,
        "PRAGMA cache_size = 1; BEGIN; CREATE TABLE accounts (x);"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)"
        "INSERT INTO accounts SELECT hex(randomblob(500)) FROM n;",
    )
    assert path.stat().st_size > 4096
    assert path.with_name("tracker.db-journal").exists()
    migrate(path)
    assert dumped(path)[-1] == (len(MIGRATIONS),)


def test_rare_events_of_an_older_log_are_listed(path):
    """A file of before that list has all of its rare events in it, and one that leaves the log leaves the list."""
    make(path, 13)
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        columns = "seq, type, account, observed_at"
        log = connection.execute(f"SELECT {columns} FROM events ORDER BY seq").fetchall()  # noqa: S608 - a constant
        rare = [row for row in log if row[1] not in FREQUENT_TYPES]
        assert 0 < len(rare) < len(log)
        select = f"SELECT {columns} FROM rare_events ORDER BY seq"  # noqa: S608 - a constant
        assert connection.execute(select).fetchall() == rare
        connection.execute("DROP TRIGGER events_never_go")
        connection.execute("DELETE FROM events WHERE seq <= ?", rare[0][:1])
        assert connection.execute(select).fetchall() == rare[1:]


async def test_a_newer_file_is_refused(older):
    """A file that a newer version made is refused with what to do, and left as it was."""
    with closing(sqlite3.connect(older)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = older.read_bytes()
    newest = len(MIGRATIONS)
    said = f"tracker.db: schema {newest + 1} was written by a newer batch-tracker, this one knows up to {newest}; upgrade it"
    with pytest.raises(StorageError, match=said):
        async with open_store(older):
            pass
    assert older.read_bytes() == before


@pytest.mark.parametrize(
    "making",
    [
        "CREATE TABLE theirs (x)",
        "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)",
        "CREATE VIEW theirs AS SELECT 1",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 5",
        "PRAGMA application_id = 5; CREATE TABLE theirs (x)",
        f"PRAGMA application_id = {APPLICATION_ID + 1}; PRAGMA user_version = 1",
    ],
)
async def test_a_foreign_database_is_refused(path, making):
    """Another program's database is refused, and not a byte of it is changed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(making)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="expected a batch-tracker database, found one of another program"):
        async with open_store(path):
            pass
    assert path.read_bytes() == before


async def test_a_foreign_database_that_was_not_closed_is_refused(path):
    """A foreign file whose WAL holds more than the file does is left to its owner, WAL and all."""
    _killed_after(path, "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")
    wal = path.with_name("tracker.db-wal")
    before = (path.read_bytes(), wal.read_bytes())
    with pytest.raises(StorageError, match="found one of another program"):
        async with open_store(path):
            pass
    assert (path.read_bytes(), wal.read_bytes()) == before


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"x = 1\n",
        b"\0" * 8192,
        b"not a database" * 999,
        random.Random(1).randbytes(8192),
        b"SQLite format 3\0" + b"\xff" * 200,
        b"SQLite format 4\0" + b"\0" * 4080,
    ],
)
async def test_what_is_no_database_is_refused(path, content):
    """Any other file is refused by its name, however small, and not a byte of it is changed."""
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"tracker.db: expected a batch-tracker database, .*(another kind of|not a data)"):
        async with open_store(path):
            pass
    assert path.read_bytes() == content


async def test_an_empty_file_becomes_a_database(path):
    """An empty file, as one made to set its owner, becomes a database."""
    path.touch()
    async with open_store(path) as store:
        assert await store.active_jobs("default") == {}


async def test_a_directory_is_refused(path):
    """A directory in the place of the file is named."""
    path.mkdir()
    with pytest.raises(StorageError, match=r"tracker.db: found a directory, expected a regular file"):
        async with open_store(path):
            pass


async def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    """A file where a directory should be is named."""
    (tmp_path / "state").touch()
    with pytest.raises(StorageError, match=r"state: cannot be made: "):
        async with open_store(tmp_path / "state" / "tracker.db"):
            pass


async def test_a_truncated_database_is_refused(older):
    """A truncated database is refused when it is opened, or an error when it is read; it never seems empty."""
    older.write_bytes(older.read_bytes()[:4096])
    with pytest.raises(StorageError, match="SQLite says: database disk image is malformed"):
        async with open_store(older) as store:
            await store.active_jobs("default")


def _killed_after(path, sql):
    """Leave the file as a process does that ends in the middle."""
    program = "import os, sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2]); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program, path, sql], check=False, timeout=30).returncode == 9
