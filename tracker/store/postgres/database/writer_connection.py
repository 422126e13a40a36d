"""Owns the writer connection: one task at a time, fenced transactions, and a new connection after an error.

Each transaction writes its number into this writer's row. If the answer to COMMIT is lost, a new connection reads the number,
which is exact also after a crash or a failover of the server, where transaction ids are assigned a second time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from uuid import uuid4

import anyio
import asyncpg

from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import DatabaseUse, UseObserver
from tracker.core.replicas.lease import LeaseKey
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import (
    DATABASE_ERRORS,
    DEFAULT_TIMEOUTS,
    Timeouts,
    connect,
    disconnect,
    explain,
    is_answer,
)
from tracker.store.postgres.database.schema import check

_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

_BEGIN: Final = f"""BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
UPDATE writers SET transaction = {{number}}, at = {_NOW} WHERE id = '{{writer}}'"""  # noqa: S608 - a number and hexadecimals

_PREFER_INDEXES: Final = "SET enable_seqscan = off"
"""Every statement of a writer concerns few rows, which an index finds; a small table soon is no longer one."""

_JOIN: Final = f"INSERT INTO writers (id, transaction, at) VALUES ($1, 0, {_NOW}) ON CONFLICT (id) DO NOTHING"  # noqa: S608
_LEAVE: Final = "DELETE FROM writers WHERE id = $1"
_FORGET_OLD: Final = f"DELETE FROM writers WHERE at < {_NOW} - 7 * 86400000"  # noqa: S608 - of constants

_LAST_COMMITTED: Final = "SELECT transaction FROM writers WHERE id = $1 FOR UPDATE"
"""It waits until the transaction whose COMMIT was lost is over: the server ends one that has nothing to do."""

T = TypeVar("T")

Hold = Callable[[asyncpg.Connection], Awaitable[None]]
"""Called within a transaction: raises `LeaseLostError` where a lease was lost meanwhile, and keeps it held until the end."""

Fence = Callable[[LeaseKey], Hold]
"""Called before a transaction waits for its turn: the lease must be held from then on. Raises `LeaseLostError` if it is not."""


class OutcomeUnknownError(StorageError):
    """The connection was lost during COMMIT, and so was the one that looked for the outcome."""


class Database:
    """The database, open for writing. Every error of it is a `StorageError`."""

    def __init__(
        self,
        address: PostgresAddress,
        used: UseObserver = lambda _use, _succeeded: None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self.address = address
        self.fence: Fence | None = None  # without one no lease is checked
        self._used = used
        self._timeouts = timeouts
        self._writer = uuid4().hex
        self._transaction = 0  # the number of the last one that began
        self._connection: asyncpg.Connection | None = None
        self._migrating = False
        self._lock = anyio.Lock()

    async def open(self, *, migrating: bool = False) -> None:
        """Connect now rather than at the first use; raises `StorageError` if that fails.

        `migrating` makes the schema, or brings it up to date.
        """
        self._migrating = migrating
        async with self.connected("opening") as connection:
            await connection.execute(_FORGET_OLD)
        self._migrating = False

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._connection and not self._connection.is_closed():
                try:
                    await self._connection.execute(_LEAVE, self._writer)
                except DATABASE_ERRORS:
                    self._connection.terminate()
            await self._disconnect()

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.connected("reading") as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows

    async def read(self, what: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """The result of `work`, which reads; each of its statements sees what is committed when it begins."""
        async with self.connected(what) as connection:
            return await work(connection)

    async def write(
        self,
        what: str,
        work: Callable[[asyncpg.Connection], Awaitable[T]],
        use: DatabaseUse = DatabaseUse.WRITE,
        lease: LeaseKey | None = None,
    ) -> T:
        """Run `work` in a transaction, all or nothing; raises `LeaseLostError` where `lease` is not this process's.

        After `OutcomeUnknownError` it may have committed, after any other error it has not.
        """
        hold = self.fenced(lease) if lease else None
        async with self.connected(what, use) as connection:
            return await self._transact(connection, work, hold)

    def fenced(self, lease: LeaseKey) -> Hold:
        """As the `lease` of `write`, for a transaction that needs several; `Hold` is called within it."""
        return self.fence(lease) if self.fence else _hold_nothing

    @asynccontextmanager
    async def connected(self, what: str, use: DatabaseUse = DatabaseUse.READ) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for one task at a time and never cancelled half-way: a cancelled COMMIT raises but may commit.

        After an error the connection is dropped unless its transaction was rolled back.
        """
        async with self._lock:
            with anyio.CancelScope(shield=True):
                try:
                    yield await self._current_connection()
                    self._used(use, True)  # noqa: FBT003 - see `UseObserver`
                except LeaseLostError:
                    raise
                except StorageError:
                    self._used(use, False)  # noqa: FBT003
                    raise
                except DATABASE_ERRORS as error:
                    self._used(use, False)  # noqa: FBT003
                    self._abandon_unless_usable(error)
                    raise StorageError(f"{self.address}: {what} failed: {explain(error)}") from error
                except BaseException:
                    self._abandon()
                    raise

    async def _transact(
        self, connection: asyncpg.Connection, work: Callable[[asyncpg.Connection], Awaitable[T]], hold: Hold | None
    ) -> T:
        self._transaction += 1
        connection = await self._begin(connection)
        try:
            if hold:
                await hold(connection)
            done = await work(connection)
        except BaseException as error:
            await self._roll_back(connection, error)
            raise
        await self._commit(connection)
        return done

    async def _begin(self, connection: asyncpg.Connection) -> asyncpg.Connection:
        """The connection within a new transaction that has its number; a new one where it had been lost without a sign of that.

        The two statements go as one text, which takes no parameters: a round trip less.
        """
        sql = _BEGIN.format(number=self._transaction, writer=self._writer)
        try:
            began = await connection.execute(sql)
        except DATABASE_ERRORS as error:
            if isinstance(error, TimeoutError) or is_answer(error):
                raise
            self._abandon()
            connection = await self._current_connection()
            began = await connection.execute(sql)
        if began != "UPDATE 1":
            self._abandon()
            raise StorageError(f"{self.address}: the row of this process in the table writers was deleted")
        return connection

    async def _roll_back(self, connection: asyncpg.Connection, error: BaseException) -> None:
        if isinstance(error, TimeoutError):  # a silent network would only be waited for again
            return self._abandon()
        try:
            await connection.execute("ROLLBACK")
        except DATABASE_ERRORS:
            self._abandon()
        return None

    async def _commit(self, connection: asyncpg.Connection) -> None:
        try:
            if await connection.execute("COMMIT") != "COMMIT":
                raise StorageError(f"{self.address}: the transaction was rolled back, since a statement in it had failed")
        except DATABASE_ERRORS:
            self._abandon()
            if not await self._has_committed():
                raise

    async def _has_committed(self) -> bool:
        """Whether the last transaction has committed, although no answer says so."""
        try:
            connection = await self._current_connection()
            last: int | None = await connection.fetchval(_LAST_COMMITTED, self._writer)
        except (StorageError, *DATABASE_ERRORS) as error:
            self._abandon()
            raise OutcomeUnknownError(
                f"{self.address}: the connection was lost while a transaction was committed, which may have succeeded: {error}"
            ) from error
        return last == self._transaction

    async def _current_connection(self) -> asyncpg.Connection:
        if self._connection and self._connection.is_closed():
            self._abandon()
        if self._connection is None:
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> asyncpg.Connection:
        connection = await connect(self.address, timeouts=self._timeouts)
        try:
            await check(self.address, connection, migrating=self._migrating)
            await connection.execute(_PREFER_INDEXES)
            await connection.execute(_JOIN, self._writer)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _abandon_unless_usable(self, error: BaseException) -> None:
        """Drop the connection unless the server answered with this error, which ended nothing else."""
        if self._connection and (not is_answer(error) or self._connection.is_in_transaction()):
            self._abandon()

    def _abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.terminate()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            await disconnect(connection)


async def _hold_nothing(_connection: asyncpg.Connection) -> None:
    """Without a fence no lease is checked."""
