"""Owns a few readers side by side, so that a slow query delays only its own caller."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Generic, NamedTuple, Protocol, TypeVar

import anyio

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.reader import Reader


class InterruptibleReader(Reader, Protocol):
    """A reader whose query can be ended from outside."""

    async def interrupt(self) -> None:
        """End the query that is under way, if there is one: nothing waits for its result."""


PooledReader = TypeVar("PooledReader", bound=InterruptibleReader)


class LimitedReaderPool(Generic[PooledReader]):
    """A bounded number of readers, opened as they are needed. See `limited_reader_pool`."""

    def __init__(
        self, name: str, opener: Callable[[], AbstractAsyncContextManager[PooledReader]], readers: int, lease_seconds: float
    ) -> None:
        """`name` is the database's, for errors."""
        self._name = name
        self._opener = opener
        self._lease_seconds = lease_seconds
        self._free = anyio.Semaphore(readers)
        self._idle: list[_Opened[PooledReader]] = []

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[PooledReader]:
        """A reader for one consumer, for a short while. Raises `StorageError` if nothing can be read, or not in time."""
        try:
            with anyio.fail_after(self._lease_seconds):
                async with self._free:
                    opened = self._idle.pop() if self._idle else await _open(self._opener)
                    try:
                        yield opened.reader
                    except BaseException as error:
                        if isinstance(error, StorageError) or not isinstance(error, Exception):
                            await opened.drop()  # busy with a query that was given up, or its database was replaced
                        else:
                            self._idle.append(opened)
                        raise
                    self._idle.append(opened)
        except TimeoutError as error:
            raise StorageError(f"{self._name}: could not be read within {self._lease_seconds:g} s") from error

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().drop()


@asynccontextmanager
async def limited_reader_pool(
    name: str, opener: Callable[[], AbstractAsyncContextManager[PooledReader]], readers: int, lease_seconds: float
) -> AsyncIterator[LimitedReaderPool[PooledReader]]:
    """See `tracker.store.opening.open_reader_pool`."""
    pool = LimitedReaderPool(name, opener, readers, lease_seconds)
    try:
        yield pool
    finally:
        await pool.close()


class _Opened(NamedTuple, Generic[PooledReader]):
    reader: PooledReader
    opening: AsyncExitStack

    async def drop(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.reader.interrupt()
            await self.opening.aclose()


async def _open(opener: Callable[[], AbstractAsyncContextManager[PooledReader]]) -> _Opened[PooledReader]:
    opening = AsyncExitStack()
    return _Opened(await opening.enter_async_context(opener()), opening)
