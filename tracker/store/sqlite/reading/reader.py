"""Owns the read-only connection, the queries that it answers, and waiting for the commit of another connection."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite
import anyio

from tracker.core.errors.storage_error import StorageError
from tracker.store.records.query import Query
from tracker.store.records.querying_reader import Read
from tracker.store.sqlite.database.aiosqlite_adapter import connect
from tracker.store.sqlite.database.schema import existing_file_uri
from tracker.store.sqlite.reading.file_reader import FileReader
from tracker.store.sqlite.reading.snapshot import Snapshot

POLL_INTERVAL: Final = 0.1
"""Seconds between reads of the file's version: the commit of another process is no event that can be awaited."""


class SqliteReader(FileReader):
    """The `Reader` of core.ports on SQLite; it serves one consumer at a time. See `open_sqlite_reader`."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        super().__init__(path)
        self._connection = connection
        self._version = 0  # the file's, before the first query since `wait_for_change` last returned

    async def wait_for_change(self) -> None:
        """Return once another connection has committed what the queries since this last returned may have missed."""
        while (version := await self._data_version()) == self._version:  # noqa: ASYNC110 - see POLL_INTERVAL
            await anyio.sleep(POLL_INTERVAL)
        self._version, self._has_queried = version, False

    async def interrupt(self) -> None:
        """End the query that is under way, if there is one: nothing waits for its result."""
        await self._connection.interrupt()

    async def _note_version(self) -> None:
        self._version = await self._data_version()

    async def _run_query(self, sql: str, *parameters: Any) -> list[Any]:
        return await self._all(sql, *parameters)

    async def _run_at_one_moment(self, reading: Callable[[Query], Coroutine[Any, Any, Read]]) -> Read:
        with self._sqlite_errors():
            return await Snapshot(reading).read(self._connection)

    async def _data_version(self) -> int:
        return int((await self._all("PRAGMA data_version"))[0][0])

    async def _all(self, sql: str, *parameters: Any) -> list[Any]:
        with self._sqlite_errors():
            return list(await self._connection.execute_fetchall(sql, parameters))


@asynccontextmanager
async def open_sqlite_reader(path: Path) -> AsyncIterator[SqliteReader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` if it cannot be."""
    address = existing_file_uri(path)
    try:
        with anyio.CancelScope(shield=True):  # a connection whose task is cancelled would never be closed
            connection = await connect(address)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be opened, SQLite says: {error}") from error
    try:
        reader = SqliteReader(path, connection)
        await reader.check()
        yield reader
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()
