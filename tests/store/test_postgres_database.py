"""The database layer on PostgreSQL: its schema, what the schema refuses, and transactions that are all or nothing."""

import itertools

import asyncpg
import pytest

from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.replicas.lease import account_lease
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.migrations import MIGRATIONS
from tracker.store.postgres.database.schema import migrate
from tracker.store.postgres.database.text_escape import decode_text, encode_text, encode_texts
from tracker.store.postgres.database.writer_connection import Database

EVENT = "INSERT INTO events VALUES ($1, 'evt_1', 'batch.created', 'default', 'job', 1, '2025', false, '{}')"
JOB = "INSERT INTO jobs VALUES ('default', $1, $2, true, false, 1, '2025', '2025', 1, '{}', NULL)"


@pytest.fixture
async def address(postgres_url):
    address = PostgresAddress(url=postgres_url, replica="one")
    await migrate(address)
    return address


@pytest.fixture
async def database(address):
    database = Database(address)
    await database.open()
    yield database
    await database.close()


async def test_transaction_is_all_or_nothing(database):
    """What a transaction wrote is there after it, and nothing of one that raised; the connection goes on."""

    async def failing(connection):
        await connection.execute("UPDATE log_head SET seq = 7")
        await connection.execute("SELECT 1 / 0")

    await database.write("setting", lambda connection: connection.execute("UPDATE log_head SET seq = 5"))
    with pytest.raises(StorageError, match="failing failed: division by zero"):
        await database.write("failing", failing)
    assert [tuple(row) for row in await database.fetch("SELECT seq FROM log_head")] == [(5,)]


async def test_lost_lease_writes_nothing(database):
    """A transaction whose lease the fence refuses writes nothing; one without a lease asks no fence."""

    def refuse(lease):
        async def hold(_connection):
            raise LeaseLostError(lease.name)

        return hold

    database.fence = refuse
    with pytest.raises(LeaseLostError):
        await database.write("a", lambda each: each.execute("UPDATE log_head SET seq = 5"), lease=account_lease("default"))
    await database.write("b", lambda each: each.execute("UPDATE log_head SET seq = seq + 1"))
    assert await database.fetch("SELECT seq FROM log_head") == [(1,)]


@pytest.mark.parametrize("change", ["UPDATE events SET type = 'x'", "DELETE FROM events", "TRUNCATE events"])
async def test_log_is_append_only(database, change):
    """No statement changes or removes an event."""
    await database.write("a", lambda connection: connection.execute(EVENT, 1))
    with pytest.raises(StorageError, match="append-only"):
        await database.write("b", lambda connection: connection.execute(change))


@pytest.mark.parametrize("seqs", [(2,), (1, 3), (0, 1), (1, 2, 4)])
async def test_gap_is_refused(database, seqs):
    """Events whose numbers would leave a gap are not inserted, whether by one statement or by several."""
    sql = "INSERT INTO events SELECT n, n::text, 'a.b', 'default', 'job', 1, '2025', false, '{}' FROM unnest($1::bigint[]) AS n"
    with pytest.raises(StorageError, match="seq must grow by one"):
        await database.write("a", lambda connection: connection.execute(sql, seqs))
    await database.write("b", lambda connection: connection.execute(sql, [1, 2]))
    await database.write("c", lambda connection: connection.execute(sql, [3]))


async def test_jobs_are_counted(database):
    """The counts follow what is inserted, changed and deleted, by one statement or by several."""

    async def counts():
        found = await database.fetch("SELECT status, deleted, jobs FROM job_counts WHERE jobs > 0 ORDER BY 1, 2")
        return [tuple(row) for row in found]

    async def insert(connection):
        await connection.executemany(JOB, [("a", "QUEUED"), ("b", "QUEUED"), ("c", "RUNNING")])

    await database.write("a", insert)
    assert await counts() == [("QUEUED", False, 2), ("RUNNING", False, 1)]
    await database.write("b", lambda connection: connection.execute("UPDATE jobs SET status = 'RUNNING' WHERE id < 'c'"))
    assert await counts() == [("RUNNING", False, 3)]
    await database.write("c", lambda connection: connection.execute("UPDATE jobs SET deleted = true WHERE id = 'c'"))
    await database.write("d", lambda connection: connection.execute("DELETE FROM jobs WHERE id = 'a'"))
    assert await counts() == [("RUNNING", False, 1), ("RUNNING", True, 1)]


@pytest.mark.parametrize("text", ["", "plain", "é\0ü", "\x01", "\0\0", "\0\x01\x02", "\ud800x", "\x01\x03d800", "a\x010"])
async def test_any_text_comes_back(database, text):
    """NUL, lone surrogates and the escape character itself are stored and come back as they were."""
    stored = encode_text(text)
    assert await database.fetch("SELECT $1::text", stored) == [(stored,)]
    assert decode_text(stored) == text
    assert encode_texts(["x", text]) == ["x", stored]


def test_order_and_prefixes_survive_the_escape():
    """Stored texts sort as the texts do, and one begins with another where the texts do."""
    texts = sorted("".join(each) for each in itertools.product(("", "\0", "\x01", "\x02", "a", "é"), repeat=3))
    stored = [encode_text(text).encode() for text in texts]
    assert stored == sorted(stored)
    for one, other in itertools.product(texts, repeat=2):
        assert encode_text(one).startswith(encode_text(other)) == one.startswith(other)


async def test_schema_is_made_by_one_and_used_by_others(address):
    """Migrating again changes nothing."""
    await migrate(address)
    database = Database(address)
    await database.open()
    assert await database.fetch("SELECT version, oldest_compatible FROM schema_version") == [(len(MIGRATIONS), 1)]
    await database.close()


async def test_schema_of_another_program_is_refused(postgres_url):
    """A schema that has other tables is left as it was."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE public.theirs (x integer)")
    with pytest.raises(StorageError, match=r"tables of another program.*storage\.schema"):
        await migrate(PostgresAddress(url=postgres_url, schema="public", replica="one"))
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 1
    await connection.close()
