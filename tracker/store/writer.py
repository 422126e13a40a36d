"""Owns writing: the one connection that changes the database, each change in one durable transaction."""

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite
import anyio
import msgspec

from tracker.core.diff import Change, Known
from tracker.core.event import Event
from tracker.core.job import Job, parse_job
from tracker.core.ports import Contact, StorageError
from tracker.store.lock import locked
from tracker.store.schema import migrate

_PRAGMAS: Final = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;"

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

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = anyio.Lock()

    async def contact(self, account: str, first: Contact) -> Contact:
        found = await self._fetch("SELECT since, horizon, watermark FROM accounts WHERE name = ?", (account,))
        if found:
            since, horizon, watermark = found[0]
            return Contact(since=since, horizon=horizon, watermark=watermark)
        async with self._transaction("writing the first contact"):
            await self._connection.execute(
                "INSERT INTO accounts (name, since, horizon) VALUES (?, ?, ?)", (account, first.since, first.horizon)
            )
        return first

    async def active(self, account: str) -> Mapping[str, Known]:
        return _known(await self._fetch("SELECT id, deleted, data FROM jobs WHERE account = ? AND active", (account,)))

    async def known(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        sql = "SELECT id, deleted, data FROM jobs WHERE account = ? AND id IN (SELECT value FROM json_each(?))"
        return _known(await self._fetch(sql, (account, json.dumps(list(ids)))))

    async def count_created(self, account: str, after: int) -> int:
        sql = "SELECT count(*) FROM jobs WHERE account = ? AND created_at > ?"
        return int((await self._fetch(sql, (account, after)))[0][0])

    async def created_of_newest(self, account: str, nth: int) -> int | None:
        sql = "SELECT created_at FROM jobs WHERE account = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?"
        found = await self._fetch(sql, (account, nth))
        return int(found[0][0]) if found else None

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        async with self._transaction("recording events"):
            last = await self._connection.execute_fetchall("SELECT coalesce(max(seq), 0) FROM events")
            events, jobs = _rows(changes, int(next(iter(last))[0]))
            await self._connection.executemany(_INSERT_EVENT, events)
            await self._connection.executemany(_UPSERT_JOB, jobs)
            if watermark is not None:
                await self._connection.execute("UPDATE accounts SET watermark = ? WHERE name = ?", (watermark, account))

    async def probe(self) -> str | None:
        """What is wrong with the store, by beginning to write and changing nothing; None where nothing is."""
        try:
            async with self._transaction("probing"):
                await self._connection.execute("UPDATE accounts SET since = since WHERE 0")
        except StorageError as error:
            return str(error)
        return None

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._connection.close()

    async def _fetch(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        async with self._lock:
            try:
                return list(await self._connection.execute_fetchall(sql, parameters))
            except sqlite3.Error as error:
                await self._reopen()
                raise StorageError(f"{self._path}: reading failed, SQLite says: {error}") from error

    @asynccontextmanager
    async def _transaction(self, what: str) -> AsyncIterator[None]:
        """All or nothing, and never cancelled half-way: a cancelled COMMIT raises but commits."""
        async with self._lock:
            with anyio.CancelScope(shield=True):
                try:
                    await self._connection.execute("BEGIN IMMEDIATE")
                    yield
                    await self._connection.execute("COMMIT")
                except sqlite3.Error as error:
                    await self._reopen()
                    raise StorageError(f"{self._path}: {what} failed, SQLite says: {error}") from error
                except BaseException:
                    await self._connection.rollback()
                    raise

    async def _reopen(self) -> None:
        """Forget the connection: after an error nothing but a fresh look tells what is in the file."""
        with anyio.CancelScope(shield=True):
            await self._connection.close()
            self._connection = await _connect(self._path)


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[SqliteStore]:
    """Open the database for writing, alone; raises `StorageError` where it is held, newer, damaged or not ours."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent}: cannot be made: {error.strerror}") from error
    with locked(path):
        migrate(path)
        store = SqliteStore(path, await _connect(path))
        try:
            yield store
        finally:
            await store.close()


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    await connection.executescript(_PRAGMAS)
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
    job, observed_at = change.known.job, change.events[-1].observed_at
    data = msgspec.json.encode(job.to_data()).decode()
    known = change.known
    return (
        change.account, job.id, job.status, known.active, known.deleted, job.created_at, observed_at, observed_at, seq, data
    )  # fmt: skip
