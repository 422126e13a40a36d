"""deploy/postgres/roles.sql: what each role may do is what it needs, with tables that the owner makes before or after it."""

import os
import subprocess
from pathlib import Path

import asyncpg
import pytest
from postgres_server import binaries

from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.schema import migrate

pytestmark = pytest.mark.xdist_group("postgres")

ROLES = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
ROW = "INSERT INTO events VALUES (1, 'evt', 'batch.created', 'default', NULL, 0, '', false, '{}')"


def run(program, *options):
    command = [binaries() / program, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr


def run_roles_sql(server, database, *options):
    run("psql", "-X", "-q", *options, "-f", ROLES, server.url(database))


@pytest.fixture(scope="module")
async def database(postgres_server):
    """A database with roles, then tables, then roles again, as the documentation has it; and a role of another program."""
    name = postgres_server.create_database()
    run_roles_sql(postgres_server, name)
    await migrate(PostgresAddress(url=postgres_server.url(name, "batch_tracker_owner"), replica="a"))
    run_roles_sql(postgres_server, name)
    postgres_server.fetch("DROP ROLE IF EXISTS other_program")
    postgres_server.fetch("CREATE ROLE other_program LOGIN")
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
async def attempt(postgres_server, database):
    """Whether a role may execute a statement; what it did is undone."""

    async def attempt(role, sql):
        connection = await asyncpg.connect(postgres_server.url(database, role))
        try:
            await connection.execute("SET search_path = batch_tracker")
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(sql)
            finally:
                await transaction.rollback()
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError, asyncpg.UndefinedTableError):
            return False
        finally:
            await connection.close()
        return True

    return attempt


WRITER, READER, OTHER = "batch_tracker_writer", "batch_tracker_reader", "other_program"
JOB = "INSERT INTO jobs VALUES ('default', 'x', 'QUEUED', true, false, 0, '', '', 1, '{}', NULL)"


@pytest.mark.parametrize(
    ("role", "sql", "allowed"),
    [
        (WRITER, ROW, True),
        (WRITER, "UPDATE log_head SET seq = seq + 1", True),
        (WRITER, JOB, True),
        (WRITER, "DELETE FROM deliveries", True),
        (WRITER, "SELECT * FROM leases FOR SHARE", True),
        (
            WRITER,
            "INSERT INTO replicas (name, instance, version, joined_at, renewed_at, expires_at) VALUES ('a','b','c',0,0,0)",
            True,
        ),
        (WRITER, "SELECT pg_notify('batch_tracker', '')", True),
        (WRITER, "UPDATE events SET body = ''", False),
        (WRITER, "DELETE FROM events", False),
        (WRITER, "TRUNCATE events", False),
        (WRITER, "TRUNCATE deliveries", False),
        (WRITER, "ALTER TABLE events DISABLE TRIGGER USER", False),
        (WRITER, "UPDATE schema_version SET version = 99", False),
        (WRITER, "DROP TABLE deliveries", False),
        (WRITER, "CREATE TABLE x (y int)", False),
        (WRITER, "CREATE SCHEMA x", False),
        (READER, "SELECT * FROM events, jobs, deliveries, attempts, receivers, leases, replicas, schema_version", True),
        (READER, "LISTEN batch_tracker", True),
        (READER, ROW, False),
        (
            READER,
            "SET default_transaction_read_only = off; SET transaction_read_only = off; UPDATE log_head SET seq = 5",
            False,
        ),
        (READER, "SELECT * FROM leases FOR SHARE", False),
        (OTHER, "SELECT * FROM batch_tracker.events", False),
    ],
)
async def test_role_may_do_what_it_needs(attempt, role, sql, allowed):
    """The writer writes rows but changes no event and no table, the reader only reads, and another role sees nothing."""
    assert await attempt(role, sql) is allowed


async def test_tables_of_later_migrations_are_granted(postgres_server, database, attempt):
    """What the owner adds later the writer may write and the reader may read, without another run of the file."""
    postgres_server.fetch("CREATE TABLE batch_tracker.later (x int)", database=database, user="batch_tracker_owner")
    assert await attempt(WRITER, "INSERT INTO later VALUES (1)")
    assert await attempt(READER, "SELECT * FROM later")
    assert not await attempt(READER, "INSERT INTO later VALUES (1)")
    assert not await attempt(OTHER, "SELECT * FROM batch_tracker.later")


async def test_reader_dumps_what_the_owner_restores(postgres_server, database, tmp_path):
    """The dump of who may only read brings back the schema with its rights, restored by who owns it and is no superuser."""
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'batch_tracker'::regnamespace ORDER BY 1"
    before = postgres_server.fetch(rights, database=database)
    copy, schema = tmp_path / "tracker.dump", "--schema=batch_tracker"
    run("pg_dump", "--format=custom", schema, f"--file={copy}", postgres_server.url(database, READER))
    into = f"--dbname={postgres_server.url(database, 'batch_tracker_owner')}"
    run("pg_restore", "--clean", "--if-exists", "--single-transaction", into, copy)
    assert postgres_server.fetch(rights, database=database) == before


async def test_the_schema_may_have_another_name(postgres_server, database):
    """With psql's variable the same roles get another schema, which the owner fills."""
    run_roles_sql(postgres_server, database, "-v", "schema=Other one")
    owner = PostgresAddress(url=postgres_server.url(database, "batch_tracker_owner"), schema="Other one", replica="a")
    await migrate(owner)
    rows = postgres_server.fetch('SELECT seq FROM "Other one".log_head', database=database, user=READER)
    assert rows == [(0,)]
