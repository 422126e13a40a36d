"""A real pooler in front of PostgreSQL: with sessions of our own everything works, without them nothing is begun."""

import asyncpg
import msgspec
import pytest
from pgbouncer import pooling
from structlog.testing import capture_logs

from tracker.core.errors.storage_error import StorageError
from tracker.store.opening import check_server
from tracker.store.postgres.database.connecting import explain
from tracker.store.postgres.leases.replica import open_postgres_replica

pytestmark = pytest.mark.xdist_group("postgres")


def through(address, server, port):
    database = address.url.rpartition("/")[2]
    return msgspec.structs.replace(address, url=server.url(database, port=port))


async def test_pooler_in_session_mode_is_as_none(postgres_address, postgres_server):
    """It is opened and written to, and nothing is warned of."""
    with pooling(postgres_server, "session") as port, capture_logs() as lines:
        async with open_postgres_replica(through(postgres_address, postgres_server, port)) as store:
            assert await store.probe() is None
    assert lines == []


async def test_pooler_in_transaction_mode_is_refused(postgres_address, postgres_server):
    """The schema and prepared statements of a session would be another client's: it says what to do instead."""
    refused = pytest.raises(StorageError, match=r"pooler in transaction mode; let storage\.url lead past it")
    with pooling(postgres_server, "transaction") as port, refused:
        async with open_postgres_replica(through(postgres_address, postgres_server, port)):
            pass


async def test_check_refuses_a_pooler_in_transaction_mode_too(postgres_address, postgres_server):
    """`check --online` does not call usable what `run` refuses."""
    with pooling(postgres_server, "transaction") as port:
        address = through(postgres_address, postgres_server, port)
        with pytest.raises(StorageError, match=r"pooler in transaction mode; let storage\.url lead past it"):
            await check_server(address)


def test_prepared_statements_of_others_are_explained():
    """A command that meets another process's session says which setting is wrong, not only which statement."""
    error = asyncpg.DuplicatePreparedStatementError('prepared statement "__asyncpg_stmt_1__" already exists')
    assert "a pooler in transaction mode: let the URL lead past it" in explain(error)
