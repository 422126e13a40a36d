"""What the reader and `verify` say of files that they cannot read, and that they leave them as they are."""

import sqlite3
from contextlib import closing

import pytest
from job_changes import seen, seen_many

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.filters import EventFilter
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader, open_store
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import migrate


async def read_the_log(path):
    async with open_reader(path) as reader:
        return await reader.events(0, EventFilter())


async def verify_it(path):
    return verify(path)


@pytest.fixture(params=[read_the_log, verify_it])
def reading(request):
    return request.param


async def refusal(reading, path):
    """What is said of the file, which is named at the beginning."""
    with pytest.raises(StorageError) as caught:
        await reading(path)
    name, said = str(caught.value).split(": ", 1)
    assert name == str(path)
    return said


async def test_a_missing_file(path, reading):
    """Where there is no database the answer says how one comes about, and none is made."""
    said = "there is no database; has `batch-tracker run` been started with this configuration?"
    assert await refusal(reading, path) == said
    assert not path.exists()


@pytest.mark.parametrize(
    ("making", "said"),
    [
        ("CREATE TABLE theirs (x)", "expected a batch-tracker database, found one of another program; it is left as it was"),
        ("PRAGMA user_version = 3", "expected a batch-tracker database, found one of another program; it is left as it was"),
        (
            "PRAGMA application_id = 1112822347; PRAGMA user_version = 99",
            f"schema 99 was written by a newer batch-tracker, this one knows up to {len(MIGRATIONS)}; upgrade it",
        ),
    ],
)
async def test_files_that_are_not_for_us(path, reading, making, said):
    """The error says that a file is another program's, or of a newer version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(making)
    before = path.read_bytes()
    assert await refusal(reading, path) == said
    assert path.read_bytes() == before


async def test_an_older_file(path, reading, monkeypatch):
    """A file that lacks a migration is not read as if it were up to date, and not changed."""
    migrate(path)
    before = path.read_bytes()
    monkeypatch.setattr("tracker.store.sqlite.database.schema.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x);"))
    newest = len(MIGRATIONS) + 1
    said = f"schema {newest - 1} is older than {newest}; `batch-tracker run` brings it up to date"
    assert await refusal(reading, path) == said
    assert path.read_bytes() == before


async def test_an_empty_file(path, reading):
    """A file of no bytes is no log without events."""
    path.touch()
    assert await refusal(reading, path) == "expected a batch-tracker database, found an empty one"


async def test_what_is_no_database(path, reading):
    """Any other file is named, with what SQLite says of it."""
    path.write_bytes(b"not a database" * 999)
    assert await refusal(reading, path) == "cannot be read, SQLite says: file is not a database"


async def test_a_directory(path, reading):
    """The error says that there is a directory in the place of the file."""
    path.mkdir()
    assert await refusal(reading, path) == "expected a database, found a directory"


async def test_a_path_through_a_file(path, reading):
    """The error of a path that leads through a file has the system's reason."""
    path.touch()
    assert await refusal(reading, path / "tracker.db") == "cannot be opened: Not a directory"


async def test_a_damaged_database(path, reading):
    """Where pages of the file are not what they were, reading says so rather than showing half."""
    async with open_store(path) as store:
        await store.record("default", seen_many(200))
    content = bytearray(path.read_bytes())
    content[4096 * 6 : 4096 * 40] = b"\x55" * (4096 * 34)
    path.write_bytes(content)
    assert await refusal(reading, path) == "cannot be read, SQLite says: database disk image is malformed"


async def test_a_damaged_job(path):
    """A job whose JSON is truncated is an error of the database."""
    async with open_store(path) as store:
        await store.record("default", [seen()])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE jobs SET data = substr(data, 1, 20)")
    async with open_reader(path) as reader:
        with pytest.raises(StorageError, match="a job that it holds cannot be read"):
            await reader.jobs()
