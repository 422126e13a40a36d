"""Owns a connection that only reads: it is made when it is needed, and made again after it was lost."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import asyncpg

from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import (
    DATABASE_ERRORS,
    DEFAULT_TIMEOUTS,
    Timeouts,
    connect,
    disconnect,
    storage_errors,
)
from tracker.store.postgres.database.schema import check
from tracker.store.postgres.reading.parameters import bind, decode_row
from tracker.store.records.query import Query

T = TypeVar("T")

_CONFIGURE: Final = "SET plan_cache_mode = force_custom_plan; SET enable_bitmapscan = off"
"""The best index depends on what is asked for: which conditions there are, and how many rows. A page is wanted in the order of
an index: a bitmap leads to all of its rows, to be sorted then, which looks cheap where statistics are old."""

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_LOST: Final = (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.PostgresConnectionError, OSError, EOFError)


class ReadConnection:
    """Statements for one consumer at a time. Every error of the database is a `StorageError`.

    What was asked over a connection that turns out to be lost is asked again, once, over a new one.
    """

    def __init__(self, address: PostgresAddress, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        self._address = address
        self._timeouts = timeouts
        self._connection: asyncpg.Connection | None = None

    async def open(self) -> None:
        """Connect now; raises `StorageError` if that fails, or there is no schema of batch-tracker of this version."""
        await self._current_connection()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with anyio.CancelScope(shield=True):
                await disconnect(connection)

    async def fetch(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement, which names those of `parameters` that it needs."""
        return await self.run(lambda connection: _fetch(connection, sql, *parameters))

    async def read_at_one_moment(self, reading: Callable[[Query], Coroutine[Any, Any, T]]) -> T:
        """What `reading` returns, called with a query whose statements see no commit of others between them."""
        return await self.run(lambda connection: read_at_one_moment(connection, reading))

    async def run(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """What `work`, which only reads, returns; it is called again where the connection turns out to be lost."""
        with storage_errors(self._address, "reading"):
            is_used = self._is_open()
            try:
                return await self._attempt(work)
            except DATABASE_ERRORS as error:
                if not is_used or self._is_open() or isinstance(error, TimeoutError):
                    raise
            return await self._attempt(work)

    async def _attempt(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = await self._current_connection()
        try:
            return await work(connection)
        except Exception as error:
            if isinstance(error, _LOST) or connection.is_in_transaction():
                self._abandon()
            raise
        except BaseException:
            await self.close()  # and so end the query that was given up, which the server would go on with
            raise

    def _is_open(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def _current_connection(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> asyncpg.Connection:
        connection = await connect(self._address, timeouts=self._timeouts)
        try:
            await check(self._address, connection)
            with storage_errors(self._address, "connecting"):
                await connection.execute(_CONFIGURE)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _abandon(self) -> None:
        """Drop the connection without waiting: it is lost, or in a state that nothing is known of."""
        connection, self._connection = self._connection, None
        if connection:
            connection.terminate()


async def read_at_one_moment(connection: asyncpg.Connection, reading: Callable[[Query], Coroutine[Any, Any, T]]) -> T:
    """The result of `reading`, whose queries all see what is committed when it begins."""
    await connection.execute(_BEGIN)
    try:
        found = await reading(partial(_fetch, connection))
    except Exception:
        with suppress(*DATABASE_ERRORS):
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
    return found


async def _fetch(connection: asyncpg.Connection, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    statement, named = bind(sql, parameters)
    return [decode_row(row) for row in await connection.fetch(statement, *named)]
