"""Owns a database of the worker's server that has the schema, and is empty at the beginning of each test that uses it."""

import asyncio
import threading

import pytest

from tracker.store.address import PostgresAddress

EMPTY = """
DO $$
DECLARE
  name text;
BEGIN
  PERFORM set_config('session_replication_role', 'replica', true);  -- no trigger keeps the log
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'batch_tracker' AND tablename <> 'schema_version' LOOP
    EXECUTE format('DELETE FROM batch_tracker.%I', name);
  END LOOP;
  INSERT INTO batch_tracker.log_head VALUES (0);
END $$"""


@pytest.fixture(scope="session")
def migrated_template(postgres_server):
    """The name of a database that has the schema, to make others from: it stays empty."""
    from tracker.store.postgres.database.schema import migrate  # noqa: PLC0415 - only tests of PostgreSQL load it

    return postgres_server.template("migrated", lambda url: migrate(PostgresAddress(url=url, replica="test")))


@pytest.fixture(scope="session")
def worker_database(postgres_server, migrated_template):
    """The name of a database that has the schema, for one test after the other."""
    return postgres_server.create_database(migrated_template)


class Superuser:
    """Runs statements over one connection, in a loop of its own: one for each test would cost more than the statements."""

    def __init__(self, url):
        self._url = url
        self._connection = None

    async def run(self, sql):
        import asyncpg  # noqa: PLC0415 - only tests of PostgreSQL load it

        if self._connection is None or self._connection.is_closed():  # a test may have ended it
            self._connection = await asyncpg.connect(self._url)
        return await self._connection.execute(sql)

    async def close(self):
        if self._connection:
            await self._connection.close()


@pytest.fixture(scope="session")
def run_as_superuser(postgres_server, worker_database):
    """A function that runs a statement in the worker's database."""
    superuser, loop = Superuser(postgres_server.url(worker_database)), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    yield lambda sql: run(superuser.run(sql))
    run(superuser.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def postgres_address(postgres_server, worker_database, run_as_superuser):
    """An empty schema: rows are deleted, since a database or a schema for each test would take ten times longer."""
    run_as_superuser(EMPTY)
    return PostgresAddress(url=postgres_server.url(worker_database), replica="test")
