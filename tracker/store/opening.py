"""Owns the choice of the engine: the one place that opens a store, a reader or the statistics. There is one engine, SQLite."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.ports.reader import Reader, ReaderPool
from tracker.core.ports.statistics import Statistics
from tracker.core.ports.store import EventObserver, Store, UseObserver

READERS: Final = 4

LEASE_SECONDS: Final = 10.0
"""How long one consumer may have a reader of a pool."""


def open_store(
    database: Path,
    subscriptions: Iterable[Subscription] = (),
    *,
    notified: EventObserver = lambda _event, _backfilled: None,
    used: UseObserver = lambda _use, _succeeded: None,
) -> AbstractAsyncContextManager[Store]:
    """Open the database for writing, made if need be, alone.

    Each event that is logged from now on becomes a delivery for those of `subscriptions` that it matches, and is passed to
    `notified`; `used` is called with each use of the database. Raises `StorageError` where it is newer, damaged or another
    program's, `InUseError` where another process has it.
    """
    from tracker.store.sqlite.writing.store import open_sqlite_store

    return open_sqlite_store(database, subscriptions, notified=notified, used=used)


@asynccontextmanager
async def open_store_as_owner(database: Path) -> AsyncIterator[Store]:
    """Open an existing database for one change, with the rights of its directory's owner alone; raises as `open_store`.

    This is how a command writes while no daemon runs: root leaves no file behind that the daemon's user cannot open.
    """
    from tracker.store.sqlite.database.schema import existing_file_uri
    from tracker.store.sqlite.files.ownership import real_path
    from tracker.store.sqlite.files.privileges import as_owner_of
    from tracker.store.sqlite.writing.store import open_sqlite_store

    existing_file_uri(database)  # raises where there is none: opening it for writing would make it
    with as_owner_of(real_path(database).parent):
        async with open_sqlite_store(database) as store:
            yield store


def open_reader(database: Path) -> AbstractAsyncContextManager[Reader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` where it cannot be."""
    from tracker.store.sqlite.reading.reader import open_sqlite_reader

    return open_sqlite_reader(database)


def open_reader_pool(
    database: Path, readers: int = READERS, lease_seconds: float = LEASE_SECONDS
) -> AbstractAsyncContextManager[ReaderPool]:
    """At most `readers` readers side by side, opened as they are needed, each for `lease_seconds` at most."""
    from tracker.store.sqlite.reading.reader_pool import open_sqlite_reader_pool

    return open_sqlite_reader_pool(database, readers, lease_seconds)


def open_statistics(database: Path) -> Statistics:
    """The figures of the database, which need not exist yet; nothing is opened before one is asked for."""
    from tracker.store.sqlite.reading.statistics import SqliteStatistics

    return SqliteStatistics(database)
