"""Owns the connection for renewals: apart from the writer's, so that no renewal waits behind a large transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import asyncpg

from tracker.core.replicas.lease_times import LeaseTimes
from tracker.runtime.task_groups import task_group
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import DATABASE_ERRORS, Timeouts, connect, disconnect, storage_errors

T = TypeVar("T")


class RenewalConnection:
    """Runs short transactions, each within the time that a renewal has. After an error it connects again."""

    def __init__(self, address: PostgresAddress, times: LeaseTimes) -> None:
        self._address = address
        self._answer = times.answer
        limit = times.answer
        self._timeouts = Timeouts(connect=limit, idle_in_transaction=limit, lock=limit, statement=limit, answer=limit)
        self._connection: asyncpg.Connection | None = None

    async def transact(self, what: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` in a transaction. Raises `StorageError`, also where it takes too long; then it may have committed."""
        try:
            with storage_errors(self._address, what):
                return await self._in_time(work)
        except BaseException:
            self._abandon()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with anyio.CancelScope(shield=True):
                await disconnect(connection)

    async def _in_time(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """A connection that is too slow is ended. Cancelling what it does would ask the server, over another connection."""
        results: list[T] = []
        late = anyio.Event()
        with anyio.CancelScope(shield=True):
            async with task_group() as group:
                group.start_soon(self._abandon_late, late)
                try:
                    results.append(await self._transact(work))
                except DATABASE_ERRORS as error:
                    raise (TimeoutError() if late.is_set() else error) from error
                group.cancel_scope.cancel()
        return results[0]

    async def _transact(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = await self._current_connection()
        async with connection.transaction():
            return await work(connection)

    async def _abandon_late(self, late: anyio.Event) -> None:
        await anyio.sleep(self._answer)
        late.set()
        self._abandon()

    async def _current_connection(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._address, timeouts=self._timeouts)
        return self._connection

    def _abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.terminate()
