"""Owns the writer connection: one task at a time, atomic transactions, and a new connection after an error."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiosqlite
import anyio

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import DatabaseUse, UseObserver
from tracker.store.sqlite.database.aiosqlite_adapter import connect, run
from tracker.store.sqlite.database.schema import IDENTITY, check

_PRAGMAS: Final = """PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;
PRAGMA temp_store = MEMORY;  -- what undoes one statement of a transaction: in a file it takes longer than most statements"""

T = TypeVar("T")


class Database:
    """The database, open for writing. Every error of it is a `StorageError`."""

    def __init__(self, path: Path, used: UseObserver = lambda _use, _succeeded: None) -> None:
        self._path = path
        self._used = used
        self._connection: aiosqlite.Connection | None = None
        self._file: tuple[int, int] | None = None  # what the connection has open
        self._lock = anyio.Lock()

    async def open(self) -> None:
        """Connect now rather than at the first use; raises `StorageError` if that fails."""
        async with self.connected("opening"):
            pass

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._disconnect()

    async def fetch(self, sql: str, *parameters: Any) -> list[Any]:
        async with self.connected("reading") as connection:
            return list(await connection.execute_fetchall(sql, parameters))

    async def read(self, what: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`, which reads, in the connection's thread."""
        async with self.connected(what) as connection:
            return await run(connection, work)

    async def write(self, what: str, work: Callable[[sqlite3.Connection], T], use: DatabaseUse = DatabaseUse.WRITE) -> T:
        """Run `work` in a transaction, from BEGIN to COMMIT in one hop to the connection's thread.

        After an error the transaction is rolled back, by closing the connection if that is broken.
        """
        async with self.connected(what, use) as connection:
            return await run(connection, partial(_transact, work))

    @asynccontextmanager
    async def connected(self, what: str, use: DatabaseUse = DatabaseUse.READ) -> AsyncIterator[aiosqlite.Connection]:
        """The connection, for one task at a time and never cancelled half-way: a cancelled COMMIT raises but commits.

        After an error the connection is dropped: only a new one shows what is in the file. On a full disk it is kept: reading
        goes on, and opening a new one might fail.
        """
        async with self._lock:
            with anyio.CancelScope(shield=True):
                try:
                    yield await self._current_connection()
                    self._used(use, True)  # noqa: FBT003 - see `UseObserver`
                except StorageError:
                    self._used(use, False)  # noqa: FBT003
                    raise
                except (sqlite3.Error, OSError) as error:
                    self._used(use, False)  # noqa: FBT003
                    if not _is_full(error):
                        await self._disconnect()
                    raise StorageError(f"{self._path}: {what} failed: {error}") from error
                except BaseException:
                    await self._disconnect()
                    raise

    async def _current_connection(self) -> aiosqlite.Connection:
        """The connection to the file that has the path: SQLite would go on writing to one that was moved or deleted."""
        file = _file_at(self._path)
        if self._connection and self._file != file:
            await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")  # or the WAL would get into the new file
            await self._disconnect()
            raise StorageError(f"{self._path}: the file was moved, deleted or replaced while it was in use")
        if file is None:  # SQLite would create an empty one
            raise StorageError(f"{self._path}: there is no such file any more")
        if self._connection is None:
            self._connection = await _connect(self._path)
            self._file = file
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(sqlite3.Error):
                await connection.close()


def _transact(work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if _is_full(error):
            connection.rollback()
        raise
    return done


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


async def _connect(path: Path) -> aiosqlite.Connection:
    """Connect, and sync: the COMMIT of the connection before may have failed only at its sync."""
    connection = await connect(f"file:{quote(str(path))}?mode=rw")
    try:
        await connection.executescript(_PRAGMAS)
        check(path, next(iter(await connection.execute_fetchall(IDENTITY))))
        # Again: a kernel that could not write a page may take it for clean.
        await connection.execute_fetchall("PRAGMA wal_checkpoint")
    except BaseException:
        await connection.close()
        raise
    return connection
