"""Import into PostgreSQL and export back: everything arrives as it was, or nothing does."""

import fcntl
import re
import sqlite3
from contextlib import closing
from itertools import islice

import pytest
from archiving import SAID, ended, missing_file, results_of
from databases import VERSIONS, Found, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_changes import CHECKPOINT, progress, seen
from matrix import matrix
from outboxes import EVERYTHING, claimed

from tracker.core.errors.storage_error import InUseError, StorageError, UnfitTargetError
from tracker.core.queries.filters import EventFilter
from tracker.core.silences.silence import Scope, SilenceRequest, requested_silence
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader, open_store
from tracker.store.postgres.database.schema import migrate as migrate_postgres
from tracker.store.sqlite.database.schema import migrate
from tracker.store.transfer.export_file import export_file
from tracker.store.transfer.import_file import import_file
from tracker.store.transfer.table_columns import TABLES, TableColumns

pytestmark = pytest.mark.xdist_group("postgres")

NEWEST = VERSIONS[-1]
ODD = st.text(st.sampled_from("a\0\x1a01u\u00e9\U0001f600'\"\\\n\t\x7f") | st.characters(codec="utf-8"), max_size=8)


def unheard(_table, _done, _total):
    pass


@pytest.fixture
def postgres(postgres_server):
    """The address of an empty schema of batch-tracker, and what reads from it."""
    name = postgres_server.create_database(postgres_server.template("migrated", _migrate))
    yield Postgres(postgres_server, name)
    postgres_server.drop_database(name)


async def _migrate(url):
    await migrate_postgres(PostgresAddress(url=url, replica="one"))


class Postgres:
    def __init__(self, server, database):
        self.address = PostgresAddress(url=server.url(database), replica="one")
        self.fetch = lambda sql, *arguments: server.fetch(sql, *arguments, database=database)

    def number(self, table):
        return self.fetch(f"SELECT count(*) FROM batch_tracker.{table}")[0][0]  # noqa: S608 - of constants

    @property
    def is_empty(self):
        return not any(map(self.number, TABLES)) and self.fetch("SELECT seq FROM batch_tracker.log_head") == [(0,)]


@pytest.mark.parametrize("version", matrix([NEWEST, *VERSIONS[:-1]], default=2))
async def test_import_and_export_are_the_identity(tmp_path, postgres, version):
    """A database of each schema arrives whole, and comes back row by row; the file itself is unchanged."""
    file = make(tmp_path / "tracker.db", version)
    before = file.read_bytes()
    transferred = await import_file(file, postgres.address, unheard)
    assert file.read_bytes() == before
    assert {table: postgres.number(table) for table in TABLES} == transferred.rows
    assert postgres.fetch("SELECT seq FROM batch_tracker.log_head") == [(transferred.rows["events"],)]

    assert await export_file(postgres.address, tmp_path / "back.db", unheard) == transferred
    migrate(file)
    there, back = Found(file), Found(tmp_path / "back.db")
    assert back.sound
    assert (back.version, back.schema, _sorted(back)) == (there.version, there.schema, _sorted(there))
    assert (tmp_path / "back.db").stat().st_mode & 0o777 == 0o600


def _sorted(found):
    return {table: sorted(rows, key=repr) for table, rows in found.rows.items()}


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(ODD, min_size=20, max_size=40, unique=True), number=st.integers(-(2**63), 2**63 - 1))
async def test_odd_texts_arrive(tmp_path_factory, postgres_server, texts, number):
    """NUL, the escape itself, and any other character come back in every column of text; numbers of every size do."""
    folder, name = (
        tmp_path_factory.mktemp("odd"),
        postgres_server.create_database(postgres_server.template("migrated", _migrate)),
    )
    file, address = make(folder / "tracker.db", NEWEST), PostgresAddress(url=postgres_server.url(name), replica="one")
    migrate(file)
    with closing(sqlite3.connect(file)) as connection:
        for count, text in enumerate(texts, 10):
            connection.execute("INSERT INTO accounts VALUES (?, ?, ?, NULL, ?)", (text, number, -number // 2, number))
            connection.execute(
                "INSERT INTO receivers VALUES (?, 1, NULL, ?, ?, ?, ?, 0)", (text, number, text, text, number % 2)
            )
            connection.execute("INSERT INTO cards VALUES (?, ?, ?)", (text, text[::-1], text * 2))
            attempt = ("everything", 1, count, number, 0, text, number, text, text, number)
            connection.execute("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", attempt)
        connection.commit()
    await import_file(file, address, unheard)
    await export_file(address, folder / "back.db", unheard)
    postgres_server.drop_database(name)
    assert _sorted(Found(folder / "back.db")) == _sorted(Found(file))


async def test_silences_arrive(tmp_path, postgres):
    """An open silence is in force on the other side, with what it keeps."""
    async with open_store(tmp_path / "tracker.db", [EVERYTHING]) as store:
        now = store.now()
        await store.silences.add(requested_silence(SilenceRequest(scope=Scope(), reason="r", seconds=60), now, "api"), now)
        await store.record("default", [seen("job")])
    await import_file(tmp_path / "tracker.db", postgres.address, unheard)
    async with open_reader(postgres.address) as there, open_reader(tmp_path / "tracker.db") as here:
        (arrived,) = await there.silences()
        assert [arrived] == await here.silences()
    assert arrived.silenced == 1


async def test_results_and_archive_tasks_arrive(tmp_path, postgres):
    """What became of result files, and what is still to be archived, is the same on the other side."""
    first = ended(error="err")
    async with open_store(tmp_path / "tracker.db") as store:
        store.archive.enable(["default"])
        await store.record("default", [first, ended("job-2")])
        await store.archive.record(results_of(first, missing=(missing_file(),), **SAID))
    await import_file(tmp_path / "tracker.db", postgres.address, unheard)
    transferred = await export_file(postgres.address, tmp_path / "back.db", unheard)
    assert (transferred.rows["results"], transferred.rows["archive_tasks"]) == (1, 1)
    _execute(tmp_path / "tracker.db", "UPDATE jobs SET base = NULL")  # unknown elsewhere: the next event is stored whole
    assert _sorted(Found(tmp_path / "back.db")) == _sorted(Found(tmp_path / "tracker.db"))


async def test_numbers_and_counts_go_on_afterwards(tmp_path, postgres):
    """After an import the triggers work as before: a gap is refused, and a job that is added is counted."""
    await import_file(make(tmp_path / "tracker.db", NEWEST), postgres.address, unheard)
    last = postgres.number("events")
    event = "INSERT INTO batch_tracker.events VALUES ($1, 'evt_1', 'batch.created', 'default', 'job', 1, '2025', false, '{}')"
    with pytest.raises(Exception, match="seq must grow by one"):
        postgres.fetch(event, last + 2)
    postgres.fetch(event, last + 1)
    jobs = "SELECT sum(jobs)::int FROM batch_tracker.job_counts"
    assert postgres.fetch(jobs) == [(postgres.number("jobs"),)]
    postgres.fetch("INSERT INTO batch_tracker.jobs VALUES ('a', 'b', 'QUEUED', true, false, 1, '2025', '2025', 1, '{}', NULL)")
    assert postgres.fetch(jobs) == [(postgres.number("jobs"),)]


async def test_a_file_in_use_is_refused(tmp_path, postgres):
    """While a process has the file nothing is imported, and the other way round no process can take it."""
    file = make(tmp_path / "tracker.db", NEWEST)
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InUseError, match="in use by another batch-tracker"):
            await import_file(file, postgres.address, unheard)
    assert postgres.is_empty

    def take(_table, _done, _total):
        with file.open("rb") as another, pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken.append(file)

    taken = []
    await import_file(file, postgres.address, take)
    assert taken


async def test_a_database_that_is_not_empty_is_refused(tmp_path, postgres):
    """What is there stays, and the message says what was found."""
    file = make(tmp_path / "tracker.db", NEWEST)
    await import_file(file, postgres.address, unheard)
    before = postgres.number("events")
    with pytest.raises(
        StorageError, match=f"expected an empty schema batch_tracker, found rows in accounts and {before} events"
    ):
        await import_file(file, postgres.address, unheard)
    assert postgres.number("events") == before


async def test_a_living_replica_is_refused(tmp_path, postgres):
    """A replica that runs there is named, and one that is gone does not matter."""
    replica = (
        "INSERT INTO batch_tracker.replicas (name, instance, version, joined_at, renewed_at, expires_at)"
        " VALUES ($1, $1, '1', 0, 0, extract(epoch FROM clock_timestamp()) * 1000 + $2::int)"
    )
    file = make(tmp_path / "tracker.db", NEWEST)
    postgres.fetch(replica, "gone", -1)
    postgres.fetch(replica, "berlin-1", 60_000)
    with pytest.raises(InUseError, match=re.escape("the replica 'berlin-1' runs there; stop it first")):
        await import_file(file, postgres.address, unheard)
    postgres.fetch("DELETE FROM batch_tracker.replicas WHERE name = 'berlin-1'")
    await import_file(file, postgres.address, unheard)


BROKEN = {
    "text": lambda path: path.write_text("no database"),
    "another program's": lambda path: _execute(path, "CREATE TABLE t (a)"),
    "newer": lambda path: _execute(make(path, NEWEST), "PRAGMA user_version = 99"),
    "jobs that differ": lambda path: _execute(make(path, NEWEST), "UPDATE jobs SET status = 'RUNNING'"),
    "none": lambda path: None,  # noqa: ARG005 - as the others
}


def _execute(path, sql):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_file_that_is_not_whole_is_refused(tmp_path, postgres, kind):
    """Neither side is changed, and the message names the file."""
    file = tmp_path / "tracker.db"
    BROKEN[kind](file)
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(StorageError, match=re.escape(str(file))):
        await import_file(file, postgres.address, unheard)
    assert (file.read_bytes() if file.exists() else None) == before
    assert postgres.is_empty


async def test_a_file_that_is_refused_is_closed_at_once(tmp_path, postgres, monkeypatch):
    """Its connection does not wait for the garbage collector: from Python 3.13 on that warns."""
    opened, real = [], sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **how: opened.append(real(*a, **how)) or opened[-1])
    for kind, spoil in BROKEN.items():
        (tmp_path / kind).mkdir()
        spoil(tmp_path / kind / "tracker.db")
        with pytest.raises(StorageError):
            await import_file(tmp_path / kind / "tracker.db", postgres.address, unheard)
    assert len(opened) > len(BROKEN)
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


async def test_what_arrives_otherwise_is_not_kept(tmp_path, postgres, monkeypatch):
    """One character that is lost on the way is found in either direction, and nothing is left of it."""
    file = make(tmp_path / "tracker.db", NEWEST)
    convert = TableColumns.to_postgres
    lossy = lambda self, row: [value[:-1] if value == "HTTP 500" else value for value in convert(self, row)]  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(TableColumns, "to_postgres", lossy)
        with pytest.raises(StorageError, match="rows of receivers did not arrive as they were"):
            await import_file(file, postgres.address, unheard)
    assert postgres.is_empty

    await import_file(file, postgres.address, unheard)
    monkeypatch.setattr(TableColumns, "insert", property(_losing_cards))
    with pytest.raises(StorageError, match="rows of cards did not arrive as they were"):
        await export_file(postgres.address, tmp_path / "back.db", unheard)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("back")]


def _losing_cards(columns):
    places = ", ".join("?" * len(columns.names))
    lost = f"SELECT {', '.join(f'?{at + 1}' for at in range(len(columns.names)))} WHERE '{columns.table}' <> 'cards'"
    return (
        f"INSERT INTO {columns.table} ({', '.join(columns.names)}) {lost if columns.table == 'cards' else f'VALUES ({places})'}"
    )


async def test_events_in_their_short_form_are_read_alike(tmp_path, postgres):
    """A short form means in PostgreSQL what it meant in the file: the events and the deliveries are the same bytes."""
    file = tmp_path / "tracker.db"
    async with open_store(file, [EVERYTHING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        change = seen(status="RUNNING", total_requests=9)
        for each in (change, *islice(progress(change), 2)):
            await store.record("default", [each])
        sent = await claimed(store)
    async with open_reader(file) as reader:
        logged = await reader.events(0, EventFilter())
    await import_file(file, postgres.address, unheard)
    assert postgres.number("events WHERE base IS NOT NULL") == 2
    async with open_store(postgres.address, [EVERYTHING]) as store, open_reader(postgres.address) as reader:
        assert (await reader.events(0, EventFilter()))[:4] == logged  # the fifth is that the replica has joined
        assert await reader.events(0, EventFilter(types=("batch.progress",))) == logged[2:]
        assert [each for each in await claimed(store) if each.seq < 5] == sent
    assert verify(postgres.address).differences == ()


async def test_an_import_that_is_interrupted_leaves_nothing(tmp_path, postgres):
    """Whatever ends it after most of the tables have arrived: none of them is there."""

    def interrupted(table, _done, _total):
        if table == "cards":
            raise InterruptedError

    with pytest.raises(StorageError):
        await import_file(make(tmp_path / "tracker.db", 5), postgres.address, interrupted)
    assert postgres.is_empty
    assert not list(tmp_path.glob(".batch-tracker-import-*"))


async def test_an_export_replaces_nothing(tmp_path, postgres):
    """A file, a directory, and what SQLite would take for a part of the new file are refused, and unchanged."""
    (tmp_path / "there.db").write_text("mine")
    (tmp_path / "another.db-wal").write_text("mine")
    with pytest.raises(StorageError, match="there is a file already"):
        await export_file(postgres.address, tmp_path / "there.db", unheard)
    with pytest.raises(StorageError, match="there is a file already"):
        await export_file(postgres.address, tmp_path / "another.db", unheard)
    with pytest.raises(UnfitTargetError, match="this is a directory"):
        await export_file(postgres.address, tmp_path, unheard)
    assert (tmp_path / "there.db").read_text() == "mine"


async def test_an_export_of_jobs_that_differ_from_the_log_is_refused(tmp_path, postgres):
    """Nothing that `verify` would complain of gets its name."""
    await import_file(make(tmp_path / "tracker.db", NEWEST), postgres.address, unheard)
    postgres.fetch("UPDATE batch_tracker.jobs SET status = 'PAUSED'")
    with pytest.raises(
        StorageError, match=r"nothing was exported, since the log and the jobs differ .*; and 3 more differences$"
    ):
        await export_file(postgres.address, tmp_path / "back.db", unheard)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("back")]
