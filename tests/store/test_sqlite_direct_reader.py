"""Reading a file without an event loop: what cannot be opened, what cannot be written, and what cannot be waited for."""

import sqlite3
from contextlib import closing

import pytest

from tracker.core.errors.storage_error import StorageError
from tracker.store.opening import read_once
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import migrate
from tracker.store.sqlite.reading.direct_reader import open_direct_reader


def _foreign(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


@pytest.mark.parametrize(
    ("making", "said"),
    [
        (lambda path: None, "there is no database"),  # noqa: ARG005 - a way to make none
        (lambda path: path.mkdir(), "found a directory"),
        (lambda path: path.write_bytes(b"x" * 5000), "SQLite says: file is not a database"),
        (_foreign, "found one of another program"),
        (lambda path: migrate(path, MIGRATIONS[:3]), r"schema 3 is older than \d+; `batch-tracker run` brings it up to date"),
    ],
    ids=["missing", "directory", "garbage", "foreign", "older"],
)
def test_file_that_cannot_be_read_is_named(path, making, said):
    """Each is an error that says what was found, and a missing file stays missing."""
    making(path)
    there = path.exists()
    with pytest.raises(StorageError, match=said) as failed:
        read_once(path, lambda reader: reader.last_seq())
    assert str(failed.value).startswith(str(path))
    assert path.exists() is there


def test_a_direct_reader_cannot_write(path):
    """SQLite itself refuses to write over its connection."""
    migrate(path)
    with open_direct_reader(path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM jobs")


def test_what_would_wait_is_refused(path):
    """A change cannot be waited for without an event loop, nor can anything but the reader."""
    migrate(path)
    with pytest.raises(RuntimeError, match="cannot wait for a change"):
        read_once(path, lambda reader: reader.wait_for_change())

    async def waiting(_reader):
        await _Moment()

    with pytest.raises(RuntimeError, match="awaits something else"):
        read_once(path, waiting)


class _Moment:
    """What an event loop would have to wait for."""

    def __await__(self):
        yield


def test_rows_that_cannot_be_read_are_an_error_of_the_file(path):
    """A table that is missing is an error that names the file."""
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE silences")
    with pytest.raises(StorageError, match="cannot be read, SQLite says: no such table: silences") as failed:
        read_once(path, lambda reader: reader.silences())
    assert str(failed.value).startswith(str(path))
