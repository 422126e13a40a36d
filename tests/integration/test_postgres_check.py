"""`check --online` says of a PostgreSQL server what would hinder a daemon, or that nothing does, and changes nothing."""

import asyncpg
import pytest

from tracker.cli.database_check import check_postgres
from tracker.config import Account, Config, Http, Secret, Storage
from tracker.store.address import PostgresAddress
from tracker.store.postgres import server_check
from tracker.store.postgres.database.migrations import MIGRATIONS
from tracker.store.postgres.database.schema import migrate

VERSION = len(MIGRATIONS)


@pytest.fixture
def checked(capsys):
    """Whether the address can be used, and the lines of standard output and standard error."""

    async def check(address):
        storage = Storage(None, url=Secret(address.url), schema=address.schema, replica=address.replica)
        config = Config(source=None, storage=storage, http=Http(), accounts=(Account(name="a", api_key=Secret("k")),))
        usable = await check_postgres(config, address)
        said = capsys.readouterr()
        return usable, said.out.splitlines(), said.err.splitlines()

    return check


@pytest.fixture
async def role(postgres_server, postgres_url):
    """A role that may connect and nothing else, and the URL for it."""
    name = "tracker_" + postgres_url.rpartition("/")[2]
    postgres_server.fetch(f'CREATE ROLE "{name}" LOGIN')
    yield name, postgres_url.replace("postgres@", f"{name}@")
    database = postgres_url.rpartition("/")[2]
    postgres_server.fetch(f'DROP OWNED BY "{name}"', database=database)
    postgres_server.fetch(f'DROP ROLE "{name}"')


async def test_server_that_can_be_used(checked, postgres_server, postgres_url):
    """Before and after the first start: version and schema, no problem, and no schema is made."""
    address = PostgresAddress(url=postgres_url, replica="a")
    version = postgres_server.fetch("SHOW server_version")[0][0]
    assert await checked(address) == (
        True,
        [f"database  PostgreSQL {version}, no schema batch_tracker yet: `batch-tracker run` creates it"],
        [],
    )
    await migrate(address)
    usable, said, _ = await checked(address)
    assert (usable, said) == (True, [f"database  PostgreSQL {version}, schema batch_tracker has version {VERSION}"])


async def test_schema_of_an_older_version(checked, postgres_url):
    """A schema that the next start migrates is said to be."""
    address = PostgresAddress(url=postgres_url, replica="a")
    await migrate(address, MIGRATIONS[:1])
    usable, (said,), _ = await checked(address)
    assert usable
    assert said.endswith(f"schema batch_tracker has version 1: `batch-tracker run` makes it {VERSION}")


async def test_missing_rights(checked, postgres_server, postgres_url, role):
    """Each right that a daemon lacks is named: to create the schema, to use it, to write, to migrate."""
    name, url = role
    database = postgres_url.rpartition("/")[2]
    address = PostgresAddress(url=url, replica="a")
    usable, _, (error,) = await checked(address)
    assert not usable
    assert error.startswith("database  the user may create neither the schema batch_tracker nor tables in it")
    await migrate(PostgresAddress(url=postgres_url, replica="a"), MIGRATIONS[:1])
    usable, said, (error,) = await checked(address)
    assert (usable, said) == (False, [])
    assert "the user lacks a right: permission denied for schema batch_tracker" in error
    postgres_server.fetch(f'GRANT USAGE ON SCHEMA batch_tracker TO "{name}"', database=database)
    postgres_server.fetch(f'GRANT SELECT ON ALL TABLES IN SCHEMA batch_tracker TO "{name}"', database=database)
    usable, _, errors = await checked(address)
    assert not usable
    assert "database  the user may not INSERT in batch_tracker.events" in errors
    assert "database  the user may not UPDATE in batch_tracker.log_head" in errors
    assert "database  the user may not INSERT and UPDATE and DELETE in batch_tracker.deliveries" in errors
    assert (
        errors[-1] == f"database  the user does not own the tables of batch_tracker, and cannot bring them to version {VERSION}"
    )


async def test_notifications_that_do_not_arrive(checked, postgres_server, postgres_url, monkeypatch):
    """Where LISTEN hears nothing, as through some poolers, it is said what that costs and what to set; it is no failure."""
    monkeypatch.setattr(server_check, "NOTIFIED_WITHIN", 0.1)
    deaf = postgres_server.url("postgres")  # a notification reaches its own database alone
    usable, _, (error,) = await checked(PostgresAddress(url=postgres_url, listen_url=deaf, replica="a"))
    assert usable
    assert error.startswith("database  notifications do not arrive, as where storage.listen_url leads through a pooler")
    assert "storage.listen_url" in error


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda url: f"{url}_gone", "does not exist; create it first"),
        (lambda _: "postgresql://127.0.0.1:1/t", "the server cannot be reached"),
        (lambda url: f"{url}?sslmode=require", "rejected SSL upgrade"),
        (lambda url: f"{url}?sslmode=verify-full&sslrootcert=/nowhere", "No such file or directory"),
    ],
)
async def test_server_that_cannot_be_used(checked, postgres_url, wrong, said):
    """What is wrong with the server is one line, without the password."""
    url = wrong(postgres_url).replace("postgres@", "postgres:canary@")
    usable, lines, (error,) = await checked(PostgresAddress(url=url, replica="a"))
    assert (usable, lines) == (False, [])
    assert error.startswith("database  postgresql://")
    assert said in error
    assert "canary" not in error


async def test_check_changes_nothing(checked, postgres_url):
    """After a check the database has no schema of ours."""
    await checked(PostgresAddress(url=postgres_url, replica="a"))
    connection = await asyncpg.connect(postgres_url)
    try:
        assert not await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'batch_tracker'")
    finally:
        await connection.close()


async def test_database_that_is_read_only(checked, postgres_server, postgres_url):
    """As a standby is: commands that read could use it, and a daemon could not."""
    database = postgres_url.rpartition("/")[2]
    address = PostgresAddress(url=postgres_url, replica="a")
    await migrate(address)
    postgres_server.fetch(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    usable, _, (error,) = await checked(address)
    assert (usable, error.startswith("database  nothing can be written: the server is a standby")) == (False, True)
