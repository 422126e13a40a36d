"""Owns a few readers side by side, so that a slow look holds up nobody but who asked for it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import anyio

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.reading.reader import Reader, open_reader

READERS: Final = 4

LONGEST: Final = 10.0
"""Seconds that one consumer may have a reader."""


class ReaderPool:
    """So many readers of a database at most, opened as they are needed. See `open_pool`."""

    def __init__(self, path: Path, readers: int = READERS, longest: float = LONGEST) -> None:
        self._path = path
        self._longest = longest
        self._free = anyio.Semaphore(readers)
        self._idle: list[_Opened] = []

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """A reader for one consumer, for a short while. Raises `StorageError` where nothing can be read, or in so long."""
        try:
            with anyio.fail_after(self._longest):
                async with self._free:
                    opened = self._idle.pop() if self._idle else await _open(self._path)
                    try:
                        yield opened.reader
                    except BaseException as error:
                        if isinstance(error, StorageError) or not isinstance(error, Exception):
                            await opened.drop()  # busy with what nobody waits for, or its file was replaced
                        else:
                            self._idle.append(opened)
                        raise
                    self._idle.append(opened)
        except TimeoutError as error:
            raise StorageError(f"{self._path}: could not be read within {self._longest:g} s") from error

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().drop()


@asynccontextmanager
async def open_pool(path: Path, readers: int = READERS, longest: float = LONGEST) -> AsyncIterator[ReaderPool]:
    """`longest` is the seconds that one consumer may have a reader."""
    pool = ReaderPool(path, readers, longest)
    try:
        yield pool
    finally:
        await pool.close()


class _Opened(NamedTuple):
    reader: Reader
    opening: AsyncExitStack

    async def drop(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.reader.interrupt()
            await self.opening.aclose()


async def _open(path: Path) -> _Opened:
    opening = AsyncExitStack()
    return _Opened(await opening.enter_async_context(open_reader(path)), opening)
