"""Owns writing: the one connection that changes the database, each change in one durable transaction."""

import os
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiosqlite
import anyio
import msgspec

from tracker.core.diff import Change, Known
from tracker.core.event import Event
from tracker.core.job import Job, parse_job
from tracker.core.ports import Contact, StorageError
from tracker.store.lock import locked
from tracker.store.schema import IDENTITY, MIGRATIONS, check, migrate

_PRAGMAS: Final = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;"

_IDS_AT_ONCE: Final = 10_000
"""SQLite takes up to 32,766 parameters."""

_ACTIVE: Final = "SELECT id, deleted, data FROM jobs INDEXED BY jobs_active WHERE account = ? AND active"
"""Left to itself SQLite takes the primary key, and reads every job that there ever was."""

_INSERT_ACCOUNT: Final = "INSERT INTO accounts (name, since, horizon) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

_INSERT_EVENT: Final = """
INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_UPSERT_JOB: Final = """
INSERT INTO jobs (account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account, id) DO UPDATE SET status = excluded.status, active = excluded.active, deleted = excluded.deleted,
  created_at = excluded.created_at, observed_at = excluded.observed_at, seq = excluded.seq, data = excluded.data"""


class SqliteStore:
    """The `Store` of core.ports on SQLite; open one with `open_store`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._file: tuple[int, int] | None = None  # what the connection has open
        self._unrecorded: str | None = None  # why the last record failed; None where it did not
        self._lock = anyio.Lock()

    async def contact(self, account: str, first: Contact) -> Contact:
        found = await self._contact(account)
        if found is None:
            async with self._transaction("writing the first contact") as connection:
                await connection.execute(_INSERT_ACCOUNT, (account, first.since, first.horizon))
            found = await self._contact(account)
        return found or first

    async def active(self, account: str) -> Mapping[str, Known]:
        return _known(await self._fetch(_ACTIVE, account))

    async def known(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        wanted, found = list(ids), {}
        for some in (wanted[start : start + _IDS_AT_ONCE] for start in range(0, len(wanted), _IDS_AT_ONCE)):
            marks = ",".join("?" * len(some))  # not json_each: it ends a string at a NUL
            sql = f"SELECT id, deleted, data FROM jobs WHERE account = ? AND id IN ({marks})"  # noqa: S608 - only marks
            found.update(_known(await self._fetch(sql, account, *some)))
        return found

    async def count_created(self, account: str, after: int) -> int:
        sql = "SELECT count(*) FROM jobs WHERE account = ? AND created_at > ?"
        return int((await self._fetch(sql, account, after))[0][0])

    async def created_of_newest(self, account: str, nth: int) -> int | None:
        sql = "SELECT created_at FROM jobs WHERE account = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?"
        found = await self._fetch(sql, account, nth)
        return int(found[0][0]) if found else None

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        try:
            await self._record(account, changes, watermark)
        except StorageError as error:
            self._unrecorded = str(error)
            raise
        self._unrecorded = None

    async def probe(self) -> str | None:
        """What is wrong with the store; None where nothing is: it can write, and the last record did not fail.

        It commits a change that changes nothing. A full disk may have room for that and none for the next record.
        """
        try:
            async with self._transaction("probing") as connection:
                await connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")  # the first page, written as it is
        except StorageError as error:
            return str(error)
        return self._unrecorded

    async def open(self) -> None:
        """Connect now rather than at the first use; raises `StorageError` where that fails."""
        async with self._connected("opening"):
            pass

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._forget()

    async def _record(self, account: str, changes: Sequence[Change], watermark: int | None) -> None:
        async with self._transaction("recording events") as connection:
            last = await connection.execute_fetchall("SELECT coalesce(max(seq), 0) FROM events")
            events, jobs = _rows(changes, int(next(iter(last))[0]))
            await connection.executemany(_INSERT_EVENT, events)
            await connection.executemany(_UPSERT_JOB, jobs)
            if watermark is not None:
                await connection.execute("UPDATE accounts SET watermark = ? WHERE name = ?", (watermark, account))

    async def _contact(self, account: str) -> Contact | None:
        found = await self._fetch("SELECT since, horizon, watermark FROM accounts WHERE name = ?", account)
        return Contact(since=found[0][0], horizon=found[0][1], watermark=found[0][2]) if found else None

    async def _fetch(self, sql: str, *parameters: Any) -> list[Any]:
        async with self._connected("reading") as connection:
            return list(await connection.execute_fetchall(sql, parameters))

    @asynccontextmanager
    async def _transaction(self, what: str) -> AsyncIterator[aiosqlite.Connection]:
        """All or nothing: what is not committed is undone with the connection, or by hand where that is still good."""
        async with self._connected(what) as connection:
            await connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                await connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
                await connection.rollback()  # reading goes on; opened anew on a full disk it might not
                raise self._failed(what, error) from error

    @asynccontextmanager
    async def _connected(self, what: str) -> AsyncIterator[aiosqlite.Connection]:
        """The connection, for one task at a time and never cancelled half-way: a cancelled COMMIT raises but commits.

        After an error the connection is forgotten: nothing but a fresh look tells what is in the file.
        """
        async with self._lock:
            with anyio.CancelScope(shield=True):
                try:
                    yield await self._ready()
                except StorageError:
                    raise
                except (sqlite3.Error, OSError) as error:
                    await self._forget()
                    raise self._failed(what, error) from error
                except BaseException:
                    await self._forget()
                    raise

    async def _ready(self) -> aiosqlite.Connection:
        """The connection to the file that has the path: SQLite would go on writing to one that was moved or deleted."""
        file = _file_at(self._path)
        if self._connection and self._file != file:
            await self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # or the WAL would get into the new file
            await self._forget()
            raise StorageError(f"{self._path}: the file was moved, deleted or replaced while it was in use")
        if self._connection is None:
            self._connection = await _connect(self._path)
            self._file = file
        return self._connection

    def _failed(self, what: str, error: Exception) -> StorageError:
        return StorageError(f"{self._path}: {what} failed: {error}")

    async def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(sqlite3.Error):
                await connection.close()


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[SqliteStore]:
    """Open the database for writing, alone; raises `StorageError` where it is held, newer, damaged or not ours."""
    path = _place(path)
    with locked(path):
        migrate(path)
        store = SqliteStore(path)
        try:
            await store.open()
            yield store
        finally:
            await store.close()


def _place(path: Path) -> Path:
    """The file's real path, its directory made if need be."""
    real = Path(os.path.realpath(path))
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{real.parent}: cannot be made: {error.strerror}") from error
    return real


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)
    try:
        await connection.executescript(_PRAGMAS)
        check(path, next(iter(await connection.execute_fetchall(IDENTITY))))
    except BaseException:
        await connection.close()
        raise
    return connection


def _known(rows: list[Any]) -> dict[str, Known]:
    return {id_: Known(_stored_job(id_, data), bool(deleted)) for id_, deleted, data in rows}


def _stored_job(job_id: str, data: str) -> Job:
    job = parse_job(data.encode())
    if not isinstance(job, Job):
        raise StorageError(f"job {job_id}: what the database holds of it cannot be read: {job.reason}")
    return job


def _rows(changes: Sequence[Change], last_seq: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    events: list[tuple[Any, ...]] = []
    jobs: list[tuple[Any, ...]] = []
    for change in changes:
        for event in change.events:
            last_seq += 1
            events.append(_event_row(msgspec.structs.replace(event, seq=last_seq), change))
        jobs.append(_job_row(change, last_seq))
    return events, jobs


def _event_row(event: Event, change: Change) -> tuple[Any, ...]:
    body = msgspec.json.encode(event).decode()
    job = change.known.job.id
    return (
        event.seq, event.id, event.type, event.account, job, event.created_at, event.observed_at, change.backfilled, body
    )  # fmt: skip


def _job_row(change: Change, seq: int) -> tuple[Any, ...]:
    known, job = change.known, change.known.job
    first, last = change.events[0].observed_at, change.events[-1].observed_at
    data = msgspec.json.encode(job.to_data()).decode()
    return (
        change.account, job.id, job.status, known.active, known.deleted, job.created_at, first, last, seq, data
    )  # fmt: skip
