"""Owns the choice of the storage engine, by the address of a database: it opens stores, readers and statistics."""

import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracker.core.ports.reader import Reader, ReaderPool
from tracker.store.address import DatabaseAddress, PostgresAddress

if TYPE_CHECKING:  # a command that reads needs none of them
    from tracker.core.deliveries.fan_out import Subscription
    from tracker.core.ports.statistics import Statistics
    from tracker.core.ports.store import EventObserver, Store, UseObserver
    from tracker.store.server_report import ServerReport

Read = TypeVar("Read")

READERS: Final = 4

LEASE_SECONDS: Final = 10.0
"""Seconds for which one consumer may have a reader of a pool."""


def open_store(
    database: DatabaseAddress,
    subscriptions: "Iterable[Subscription]" = (),
    *,
    segments: Path | None = None,
    notified: "EventObserver" = lambda _event, _backfilled: None,
    used: "UseObserver" = lambda _use, _succeeded: None,
) -> "AbstractAsyncContextManager[Store]":
    """Open the database for writing, made if need be: a file alone, PostgreSQL as one of the replicas that share it.

    Each event that is logged from now on becomes a delivery for those of `subscriptions` that it matches, and is passed to
    `notified`; `used` is called with each use of the database. The old events of a file are moved into the directory
    `segments`, by default beside it. Raises `StorageError` if the database is newer, damaged or another program's,
    `InUseError` where another process has it, or the replica's name.
    """
    if isinstance(database, PostgresAddress):
        from tracker.store.postgres.leases.replica import open_postgres_replica

        return open_postgres_replica(database, subscriptions, notified=notified, used=used)

    from tracker.store.sqlite.writing.store import open_sqlite_store

    return open_sqlite_store(database, subscriptions, segments=segments, notified=notified, used=used)


@asynccontextmanager
async def open_store_as_owner(database: DatabaseAddress) -> "AsyncIterator[Store]":
    """Open an existing database for one change; raises as `open_store`.

    This is how a command writes to a file while no daemon runs, only with the rights of the directory's owner: root leaves no
    file behind that the daemon's user cannot open. PostgreSQL is changed beside the replicas, and none is joined.
    """
    if isinstance(database, PostgresAddress):
        from tracker.store.postgres.command_store import open_command_store

        async with open_command_store(database) as store:
            yield store
        return

    from tracker.store.sqlite.database.schema import existing_file_uri
    from tracker.store.sqlite.files.ownership import real_path
    from tracker.store.sqlite.files.privileges import as_owner_of
    from tracker.store.sqlite.writing.store import open_sqlite_store

    existing_file_uri(database)  # raises where there is none: opening it for writing would make it
    with as_owner_of(real_path(database).parent):
        async with open_sqlite_store(database) as store:
            yield store


def open_reader(database: DatabaseAddress) -> AbstractAsyncContextManager[Reader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` if that fails."""
    if isinstance(database, PostgresAddress):
        from tracker.store.postgres.reading.reader import open_postgres_reader

        return open_postgres_reader(database)

    from tracker.store.sqlite.reading.reader import open_sqlite_reader

    return open_sqlite_reader(database)


def read_once(database: DatabaseAddress, reading: Callable[[Reader], Coroutine[Any, Any, Read]]) -> Read:
    """The result of `reading`, which awaits nothing but the reader that it gets; raises as `open_reader`.

    A file is read without an event loop, which would take longer to load than all that is read.
    """
    if isinstance(database, PostgresAddress):
        import anyio

        return anyio.run(_read_once, database, reading)

    searches = gc.isenabled()
    gc.disable()  # a search for garbage goes through all that is loaded, and finds nothing
    from tracker.store.sqlite.reading.direct_reader import open_direct_reader
    from tracker.store.sqlite.reading.synchronous_read import run_to_end

    if searches:
        gc.enable()
    with open_direct_reader(database) as reader:
        return run_to_end(reading(reader))


async def _read_once(database: PostgresAddress, reading: Callable[[Reader], Coroutine[Any, Any, Read]]) -> Read:
    async with open_reader(database) as reader:
        return await reading(reader)


def open_reader_pool(
    database: DatabaseAddress, readers: int = READERS, lease_seconds: float = LEASE_SECONDS
) -> AbstractAsyncContextManager[ReaderPool]:
    """A pool of at most `readers` readers, opened on demand; each is lent for at most `lease_seconds`."""
    if isinstance(database, PostgresAddress):
        from tracker.store.postgres.reading.reader_pool import open_postgres_reader_pool

        return open_postgres_reader_pool(database, readers, lease_seconds)

    from tracker.store.sqlite.reading.reader_pool import open_sqlite_reader_pool

    return open_sqlite_reader_pool(database, readers, lease_seconds)


def open_statistics(database: DatabaseAddress) -> "Statistics":
    """The statistics of the database, which need not exist yet; nothing is opened before one is read."""
    if isinstance(database, PostgresAddress):
        from tracker.store.postgres.statistics import PostgresStatistics

        return PostgresStatistics(database)

    from tracker.store.sqlite.reading.statistics import SqliteStatistics

    return SqliteStatistics(database)


async def check_server(address: PostgresAddress) -> "ServerReport":
    """Connect and look, without a change. Raises `StorageError` if no daemon could use the server or the schema."""
    from tracker.store.postgres.server_check import check_postgres_server

    return await check_postgres_server(address)


async def migrate_postgres(database: PostgresAddress) -> None:
    """Create the tables, or bring them up to date; raises `StorageError` where the user may not, or they are too new."""
    from tracker.store.postgres.database.schema import migrate

    await migrate(database)
