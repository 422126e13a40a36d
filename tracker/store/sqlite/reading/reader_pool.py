"""Owns a few readers side by side, so that a slow query delays only its own caller."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.reading.reader import SqliteReader, open_sqlite_reader


class SqliteReaderPool:
    """A bounded number of readers, opened as they are needed. See `open_sqlite_reader_pool`."""

    def __init__(self, path: Path, readers: int, lease_seconds: float) -> None:
        self._path = path
        self._lease_seconds = lease_seconds
        self._free = anyio.Semaphore(readers)
        self._idle: list[_Opened] = []

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[SqliteReader]:
        """A reader for one consumer, for a short while. Raises `StorageError` where nothing can be read, or not in time."""
        try:
            with anyio.fail_after(self._lease_seconds):
                async with self._free:
                    opened = self._idle.pop() if self._idle else await _open(self._path)
                    try:
                        yield opened.reader
                    except BaseException as error:
                        if isinstance(error, StorageError) or not isinstance(error, Exception):
                            await opened.drop()  # busy with a query that was given up, or its file was replaced
                        else:
                            self._idle.append(opened)
                        raise
                    self._idle.append(opened)
        except TimeoutError as error:
            raise StorageError(f"{self._path}: could not be read within {self._lease_seconds:g} s") from error

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().drop()


@asynccontextmanager
async def open_sqlite_reader_pool(path: Path, readers: int, lease_seconds: float) -> AsyncIterator[SqliteReaderPool]:
    """See `tracker.store.opening.open_reader_pool`."""
    pool = SqliteReaderPool(path, readers, lease_seconds)
    try:
        yield pool
    finally:
        await pool.close()


class _Opened(NamedTuple):
    reader: SqliteReader
    opening: AsyncExitStack

    async def drop(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.reader.interrupt()
            await self.opening.aclose()


async def _open(path: Path) -> _Opened:
    opening = AsyncExitStack()
    return _Opened(await opening.enter_async_context(open_sqlite_reader(path)), opening)
