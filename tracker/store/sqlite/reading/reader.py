"""Owns the read-only connection, the queries that it answers, and waiting for the commit of another connection."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
import anyio
import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.names import Names
from tracker.core.queries.orphans import Orphans
from tracker.core.queries.pages import Backlog, DeliveryKey, DeliveryPage, EventPage, JobKey, JobPage, Span
from tracker.store.sqlite.database.connect import connect
from tracker.store.sqlite.database.schema import IDENTITY, check, existing_file_uri
from tracker.store.sqlite.reading import deliveries as read_deliveries
from tracker.store.sqlite.reading import events as read_events
from tracker.store.sqlite.reading import jobs as read_jobs
from tracker.store.sqlite.reading import names as read_names
from tracker.store.sqlite.reading.orphans import read_orphans

Read = TypeVar("Read")

POLL_INTERVAL: Final = 0.1
"""Seconds between reads of the file's version: the commit of another process is no event that can be awaited."""

_NO_LIMIT: Final = 2**31

_JOB_COUNTS: Final = "SELECT account, status, deleted, jobs FROM job_counts WHERE jobs > 0"


class SqliteReader:
    """The `Reader` of core.ports on SQLite; it serves one consumer at a time. See `open_sqlite_reader`."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self._path = path
        self._connection = connection
        self._version = 0  # the file's, before the first query since `wait_for_change` last returned
        self._has_queried = False

    async def check(self) -> None:
        """Raise `StorageError` unless the file is a batch-tracker database of this version."""
        check(self._path, (await self._query(IDENTITY))[0])

    async def jobs(self, account: str | None = None, statuses: Sequence[str] = (), limit: int = -1) -> list[dict[str, Any]]:
        """The jobs, active ones first, then the newest first; the BatchJob's properties and what the tracker adds."""
        return await self._readable("a job", read_jobs.jobs_active_first(self._query, account, statuses, limit))

    async def jobs_by_prefix(self, prefix: str, account: str | None = None) -> list[dict[str, Any]]:
        """Up to 20 jobs whose id starts with `prefix`, of all accounts or one; those alone whose id it is, if there are any."""
        return await self._readable("a job", read_jobs.jobs_by_prefix(self._query, prefix, account))

    async def jobs_by_id(self, job_id: str) -> list[dict[str, Any]]:
        """The jobs of that id, one for each account that has one."""
        return await self._readable("a job", read_jobs.jobs_by_id(self._query, job_id))

    async def jobs_page(self, after: JobKey | None, filters: JobFilter, limit: int) -> JobPage:
        """Up to `limit` jobs behind `after`, the newest first."""
        return await self._readable("a job", read_jobs.read_jobs(self._query, after, filters, limit))

    async def job_counts(self) -> dict[str, dict[str, int]]:
        """How many jobs the log knows, by account and status; "deleted" counts for one."""
        counts: dict[str, dict[str, int]] = {}
        for account, status, deleted, jobs in await self._query(_JOB_COUNTS):
            of_account, name = counts.setdefault(account, {}), "deleted" if deleted else status
            of_account[name] = of_account.get(name, 0) + jobs
        return counts

    async def events(self, after: int, filters: EventFilter, limit: int = 500) -> list[tuple[int, str]]:
        """Up to `limit` events of the log after `seq`, in its order: seq and JSON; all of them where `limit` is negative."""
        found: list[tuple[int, str]] = []
        following: int | None = after
        while following is not None and len(found) != limit:
            left = limit - len(found) if limit >= 0 else _NO_LIMIT
            page = await self.events_page(Span(after=following), filters, left)
            found += page.events
            following = page.next
        return found

    async def events_page(self, span: Span, filters: EventFilter, limit: int) -> EventPage:
        """Up to `limit` events of that part of the log."""
        return await self._readable("an event", read_events.read_events(self._query, span, filters, limit))

    async def last_seq(self) -> int:
        """The seq of the last event; 0 where there is none."""
        return await read_events.last_seq(self._query)

    async def last_sweep(self) -> int | None:
        """When an account was last swept whole, to a few seconds (Unix milliseconds); None where none was."""
        found: int | None = (await self._query("SELECT max(swept_at) FROM accounts"))[0][0]
        return found

    async def deliveries(self, after: tuple[int, str], filters: DeliveryFilter, limit: int = 500) -> list[dict[str, Any]]:
        """Up to `limit` deliveries `after` that of a seq and a receiver, in the log's order, each with its attempts."""
        found: list[dict[str, Any]] = []
        following: DeliveryKey | None = DeliveryKey(*after)
        while following is not None and len(found) < limit:
            page = await self.deliveries_page(following, filters, limit - len(found))
            found += page.deliveries
            following = page.next
        return found

    async def deliveries_page(
        self, after: DeliveryKey | None, filters: DeliveryFilter, limit: int, *, newest_first: bool = False
    ) -> DeliveryPage:
        """Up to `limit` deliveries after that key, in the log's order or against it, each with its attempts."""
        return await read_deliveries.read_deliveries(self._query, after, filters, limit, newest_first=newest_first)

    async def start_of_last_deliveries(self, number: int, filters: DeliveryFilter) -> DeliveryKey:
        """The key that the last `number` deliveries come after."""
        return await read_deliveries.start_of_last(self._query, number, filters)

    async def circuits(self) -> dict[str, Circuit]:
        """How each receiver was when it was last settled, by its name."""
        return await read_deliveries.read_circuits(self._query)

    async def backlog(self, receiver: str) -> Backlog:
        """What the receiver has not been sent."""
        return await read_deliveries.read_backlog(self._query, receiver)

    async def last_error(self, receiver: str) -> dict[str, Any] | None:
        """The last attempt that failed, of the deliveries that are pending or dead; of many only the newest are read."""
        return await read_deliveries.read_last_error(self._query, receiver)

    async def dead_counts(self) -> dict[str, int]:
        """How many deliveries are dead, by receiver."""
        return dict(await self._query(read_deliveries.DEAD_COUNTS))

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        """What the database has of others than these receivers and accounts."""
        return await read_orphans(self._query, receivers, accounts)

    async def names(self) -> Names:
        """The accounts, receivers and statuses that the log has."""
        return await read_names.read_names(self._query)

    async def wait_for_change(self) -> None:
        """Return once another connection has committed what the queries since this last returned may have missed."""
        while (version := await self._data_version()) == self._version:  # noqa: ASYNC110 - see POLL_INTERVAL
            await anyio.sleep(POLL_INTERVAL)
        self._version, self._has_queried = version, False

    async def interrupt(self) -> None:
        """End the query that is under way, if there is one: nothing waits for its result."""
        await self._connection.interrupt()

    async def _query(self, sql: str, *parameters: Any) -> list[Any]:
        if not self._has_queried:
            self._version = await self._data_version()  # before the query: a commit during it ends `wait_for_change`
            self._has_queried = True
        return await self._all(sql, *parameters)

    async def _readable(self, what: str, reading: Awaitable[Read]) -> Read:
        try:
            return await reading
        except (ValueError, msgspec.MsgspecError) as error:
            raise StorageError(f"{self._path}: {what} that it holds cannot be read: {error}") from error

    async def _data_version(self) -> int:
        return int((await self._all("PRAGMA data_version"))[0][0])

    async def _all(self, sql: str, *parameters: Any) -> list[Any]:
        try:
            return list(await self._connection.execute_fetchall(sql, parameters))
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot be read, SQLite says: {error}") from error


@asynccontextmanager
async def open_sqlite_reader(path: Path) -> AsyncIterator[SqliteReader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` where it cannot be."""
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
