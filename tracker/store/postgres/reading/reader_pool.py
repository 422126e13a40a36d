"""Owns opening a pool of readers over PostgreSQL."""

from contextlib import AbstractAsyncContextManager

from tracker.store.address import PostgresAddress
from tracker.store.postgres.reading.reader import PostgresReader, open_postgres_reader
from tracker.store.records.limited_reader_pool import LimitedReaderPool, limited_reader_pool


def open_postgres_reader_pool(
    address: PostgresAddress, readers: int, lease_seconds: float
) -> AbstractAsyncContextManager[LimitedReaderPool[PostgresReader]]:
    """See `tracker.store.opening.open_reader_pool`."""
    return limited_reader_pool(str(address), lambda: open_postgres_reader(address), readers, lease_seconds)
