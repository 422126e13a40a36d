"""Servers, roles and schemas that cannot be used, each refused with a sentence that says why and what to do; and upgrades."""

import ssl

import anyio
import asyncpg
import pytest

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database import connecting
from tracker.store.postgres.database.connecting import connect, explain
from tracker.store.postgres.database.migrations import MIGRATIONS, Migration
from tracker.store.postgres.database.schema import check, migrate
from tracker.store.postgres.writing.store import open_postgres_store

ADDITION = Migration("ALTER TABLE jobs ADD COLUMN more text", oldest_compatible=1)
BREAK = Migration("ALTER TABLE jobs RENAME COLUMN data TO body", oldest_compatible=len(MIGRATIONS) + 1)


@pytest.fixture
def address(postgres_url):
    return PostgresAddress(url=postgres_url, replica="one")


@pytest.fixture
def role(postgres_server, postgres_url):
    """A role of which no other test knows, and its address."""
    name = f"reader_of_{postgres_url.rpartition('/')[2]}"
    postgres_server.fetch(f"CREATE ROLE {name} LOGIN")
    return PostgresAddress(url=postgres_server.url(postgres_url.rpartition("/")[2], user=name), replica="one")


async def run_as_superuser(address, sql):
    connection = await asyncpg.connect(address.url)
    await connection.execute(sql)
    await connection.close()


async def versions(address):
    connection = await connect(address)
    try:
        return tuple(await connection.fetchrow("SELECT version, oldest_compatible FROM schema_version"))
    finally:
        await connection.close()


async def failure(address):
    """Why the database cannot be opened."""
    with pytest.raises(StorageError) as failed:
        async with open_postgres_store(address):
            pass
    return str(failed.value)


async def test_server_that_is_too_old(address, monkeypatch):
    """A server before the oldest supported version is named with its version."""
    monkeypatch.setattr(connecting, "OLDEST_VERSION", 99)
    assert "expected PostgreSQL 99 or later, found 1" in await failure(address)


async def test_database_of_another_encoding(postgres_server):
    """A database that does not store UTF-8 is refused before anything is made in it."""
    postgres_server.fetch("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    other = PostgresAddress(url=postgres_server.url("latin"), replica="one")
    assert "expected a database with the encoding UTF8, found LATIN1" in await failure(other)


async def test_database_that_does_not_exist(postgres_server):
    """A missing database is named, and so is what to do."""
    other = PostgresAddress(url=postgres_server.url("nowhere"), replica="one")
    assert 'database "nowhere" does not exist; create it first' in await failure(other)


async def test_role_that_does_not_exist(postgres_server):
    """A server that refuses the user says so."""
    other = PostgresAddress(url=postgres_server.url("postgres", user="nobody_knows"), replica="one")
    assert "the server refuses the user" in await failure(other)
    assert "check the password" in explain(asyncpg.InvalidPasswordError("password authentication failed"))


async def test_server_that_is_not_there():
    """A server that cannot be reached is named without the password of its URL, in the error and in what caused it."""
    address = PostgresAddress(url="postgresql://me:hush@127.0.0.1:1/db?sslmode=disable", replica="one")
    with pytest.raises(StorageError) as failed:
        await connect(address)
    assert str(failed.value).startswith("postgresql://me@127.0.0.1:1/db: connecting failed: the server cannot be reached")
    assert "hush" not in f"{failed.value!r} {failed.value.__cause__!r} {address!r} {address}"


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
async def test_file_of_the_url_that_is_not_there(tmp_path, name):
    """The file is named, and nothing is said of a server that could not be reached."""
    file = tmp_path / "missing.pem"
    url = f"postgresql://one:hush@127.0.0.1:1/x?sslmode=verify-full&{name}={file}"
    said = await failure(PostgresAddress(url=url, replica="a"))
    assert said.endswith(f"{name} of the URL: expected a file, found {file}: No such file or directory")
    assert "hush" not in said


def test_certificate_that_is_not_accepted():
    """A server that answers is not said to be out of reach."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate in certificate chain")
    assert explain(error).startswith("the server's certificate is not accepted: ")
    assert explain(error).endswith("; check the URL's host and sslrootcert")


async def test_role_without_the_right_to_make_a_schema(role):
    """A role that may only connect learns which right it lacks."""
    assert "the user lacks a right: permission denied for database" in await failure(role)


async def test_role_without_rights_in_the_schema(address, role):
    """A role that may not use the schema gets an error that says so."""
    await migrate(address)
    assert "the user lacks a right: permission denied for schema batch_tracker" in await failure(role)


async def test_role_that_writes_but_owns_nothing(address, role):
    """A role with the rights that are granted on rows alone can do all that a replica does."""
    await migrate(address)
    name = role.url.partition("//")[2].partition("@")[0]
    await run_as_superuser(
        address,
        f"GRANT USAGE ON SCHEMA batch_tracker TO {name};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA batch_tracker TO {name}",
    )
    async with open_postgres_store(role) as store:
        assert await store.probe() is None


async def test_schema_of_a_newer_version_that_is_compatible(address):
    """A replica works beside newer ones as long as the schema says that it may, and leaves the schema as it is."""
    await migrate(address, (*MIGRATIONS, ADDITION))
    async with open_postgres_store(address) as store:
        assert await store.probe() is None
    assert await versions(address) == (len(MIGRATIONS) + 1, 1)


async def test_schema_of_a_newer_version_that_is_not_compatible(address):
    """A schema that needs a newer program is refused and unchanged."""
    await migrate(address, (*MIGRATIONS, BREAK))
    newest = len(MIGRATIONS)
    said = f"was written by a newer batch-tracker and needs {newest + 1}, this one knows up to {newest}; upgrade it"
    assert said in await failure(address)


async def test_older_schema_is_brought_up_to_date(address):
    """A replica of the version before goes on over its open connection while the new one migrates beside it."""
    await migrate(address, MIGRATIONS[:1])
    connection = await connect(address)
    with pytest.raises(StorageError, match=f"schema version 1 is older than {len(MIGRATIONS)}; `batch-tracker run` brings"):
        await check(address, connection)
    async with open_postgres_store(address) as store:
        assert await store.probe() is None
        await connection.execute("UPDATE log_head SET seq = seq")
    await connection.close()
    assert await versions(address) == (len(MIGRATIONS), 1)


async def test_rare_events_are_listed_whoever_logs_them(address):
    """Those of an older log are, and so are those of a replica of the version before, which knows nothing of the list."""
    await migrate(address, MIGRATIONS[:4])
    older = await connect(address)
    log = "INSERT INTO events VALUES ($1, 'evt_' || $1::bigint, $2, 'a', 'job', 1, 'then', false, '{}')"
    for seq, type_ in enumerate(("batch.created", "batch.failed", "batch.progress", "account.recovered"), 1):
        await older.execute(log, seq, type_)
    await migrate(address)
    for seq, type_ in enumerate(("batch.completed", "batch.failed"), 5):
        await older.execute(log, seq, type_)
    listed = [tuple(row) for row in await older.fetch("SELECT * FROM rare_events ORDER BY seq")]
    assert listed == [
        (type_, seq, "a", "then") for type_, seq in (("batch.failed", 2), ("account.recovered", 4), ("batch.failed", 6))
    ]
    await older.execute("ALTER TABLE events DISABLE TRIGGER events_never_change")
    await older.execute("DELETE FROM events WHERE seq < 4")
    assert [row["seq"] for row in await older.fetch("SELECT seq FROM rare_events ORDER BY seq")] == [4, 6]
    await older.close()


async def test_many_start_at_once(address):
    """Replicas that start at the same time on an empty database make its schema once."""
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(migrate, address)
    assert await versions(address) == (len(MIGRATIONS), 1)


async def test_migration_that_fails_changes_nothing(address):
    """Where a statement fails, the schema is what it was."""
    await migrate(address, MIGRATIONS[:1])
    with pytest.raises(StorageError, match="migrating failed: column"):
        await migrate(address, (MIGRATIONS[0], ADDITION, Migration("SELECT nonsense", 1)))
    assert await versions(address) == (1, 1)


async def test_schema_that_was_never_made(address):
    """A reader of a database that no daemon has used yet gets an error that says so."""
    connection = await connect(address)
    with pytest.raises(StorageError, match="has `batch-tracker run` been started"):
        await check(address, connection)
    await connection.close()


async def test_two_schemas_of_one_database(address, postgres_url):
    """Schemas share nothing: neither tables nor who migrates."""
    other = PostgresAddress(url=postgres_url, schema='Odd "name", too', replica="one")
    async with open_postgres_store(address) as one, open_postgres_store(other) as two:
        await one.database.fetch("UPDATE log_head SET seq = 5 RETURNING seq")
        assert [tuple(row) for row in await two.database.fetch("SELECT seq FROM log_head")] == [(0,)]


async def test_session_has_its_settings(address):
    """A session has its name, its limits, UTC, and waits for the disk whatever the database's default is."""
    await run_as_superuser(address, f"ALTER DATABASE {address.url.rpartition('/')[2]} SET synchronous_commit = off")
    connection = await connect(address)
    names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
    found = [await connection.fetchval("SELECT current_setting($1)", name) for name in (*names, "synchronous_commit")]
    await connection.close()
    assert found == ["batch-tracker one", "10s", "8s", "5s", "UTC", "on"]
