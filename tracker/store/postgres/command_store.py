"""Owns the store of a command: it changes an existing database beside the replicas, and joins none of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import connect, disconnect
from tracker.store.postgres.database.schema import check
from tracker.store.postgres.server_clock import ServerClock
from tracker.store.postgres.writing.store import PostgresStore, open_postgres_store


@asynccontextmanager
async def open_command_store(address: PostgresAddress) -> AsyncIterator[PostgresStore]:
    """A store without leases, by the server's clock. Raises `StorageError`, also where `run` has never made the schema."""
    connection = await connect(address)
    try:
        await check(address, connection)
    finally:
        await disconnect(connection)
    clock = ServerClock()
    async with open_postgres_store(address) as store:
        await store.database.read("reading the clock", clock.measure)
        store.now = clock.now
        yield store
