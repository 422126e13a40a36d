"""Owns writing: the one connection that changes the database, each change in one durable transaction."""

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, iso, parse_iso
from tracker.core.events.job_diff import Change, Known
from tracker.core.events.time_driven import ActiveJobStatus
from tracker.core.jobs.job import COUNTERS, Job
from tracker.core.ports.store import NOT_SWEPT, Checkpoint, DatabaseUse, EventObserver, UseObserver
from tracker.core.ports.wakeups import Wakeups
from tracker.core.queries.orphans import Dropped, Moved, Orphans
from tracker.core.queries.workload import Workload
from tracker.runtime.wakeups import InProcessWakeups
from tracker.store.sqlite.database.connection import Database
from tracker.store.sqlite.database.schema import MIGRATIONS, ensure_file, migrate
from tracker.store.sqlite.files.displaced_database import undo_displacement
from tracker.store.sqlite.files.lock import hold_database_file, hold_lock_file
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.reading.orphans import drop, move, read_orphans
from tracker.store.sqlite.writing.active_jobs_cache import ActiveJobsCache, Draft
from tracker.store.sqlite.writing.event_log import Appended, EventLog, LogEntry
from tracker.store.sqlite.writing.job_codec import stored_job
from tracker.store.sqlite.writing.outbox import SqliteOutbox
from tracker.store.sqlite.writing.overdue_queries import (
    ACTIVE_JOB_STATUSES,
    LAST_ACCOUNT_EVENT,
    STATUSES_PER_PAGE,
    decode_event,
    decode_statuses,
    is_current,
)
from tracker.store.sqlite.writing.replay import enable, replay
from tracker.store.sqlite.writing.slack_cards import SqliteCards

_MAX_IDS_PER_QUERY: Final = 10_000
"""SQLite takes up to 32,766 parameters."""

_JOBS_BY_STATUS: Final = """
SELECT status, sum(jobs) FROM job_counts WHERE account IN (SELECT value FROM json_each(?)) AND NOT deleted GROUP BY status"""

_INSERT_ACCOUNT: Final = "INSERT INTO accounts (name, since, horizon) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

_UPSERT_JOB: Final = """
INSERT INTO jobs (account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account, id) DO UPDATE SET status = excluded.status, active = excluded.active, deleted = excluded.deleted,
  created_at = excluded.created_at, observed_at = excluded.observed_at, seq = excluded.seq, data = excluded.data
WHERE seq < excluded.seq"""

_PROGRESS_OF_JOB: Final = """
UPDATE jobs SET observed_at = ?8, seq = ?9, data = ?10 WHERE account = ?1 AND id = ?2 AND seq < ?9"""
"""As the other with the same row, where counters alone are different: most of what happens, and no index has to know."""

_COUNTERS: Final = frozenset(COUNTERS)

_encode: Final = msgspec.json.Encoder().encode

_SWEPT: Final = "UPDATE accounts SET swept_at = ?2 WHERE name = ?1 AND swept_at IS NOT ?2"

_REWRITE_HEADER: Final = f"PRAGMA user_version = {len(MIGRATIONS)}"
"""Writes the first page and changes nothing in it."""


class SqliteStore:
    """The `Store` of core.ports on SQLite; open one with `open_sqlite_store`."""

    def __init__(self, database: Database, log: EventLog, wakeups: Wakeups) -> None:
        self.wakeups = wakeups
        self.outbox = SqliteOutbox(database, log, wakeups)
        self.cards = SqliteCards(database)
        self._database = database
        self._log = log
        self._active = ActiveJobsCache()
        self._unrecorded: str | None = None  # why the last record failed; None where it did not

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        self._log.subscribe(subscriptions)

    async def checkpoint(self, account: str, initial: Checkpoint) -> Checkpoint:
        found = await self._checkpoint(account)
        if found is None:
            row = (account, initial.since, initial.horizon)
            await self._database.write("writing the first contact", lambda connection: connection.execute(_INSERT_ACCOUNT, row))
            found = await self._checkpoint(account)
        return found or initial

    async def active_jobs(self, account: str) -> dict[str, Known]:
        return await self._database.read("reading", lambda connection: self._active.read(connection, account))

    def active_jobs_snapshot(self, account: str) -> Mapping[str, Job]:
        return self._active.snapshot(account)

    async def known_jobs(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        wanted, found = list(ids), {}
        for some in (wanted[start : start + _MAX_IDS_PER_QUERY] for start in range(0, len(wanted), _MAX_IDS_PER_QUERY)):
            marks = ",".join("?" * len(some))  # not json_each: it ends a string at a NUL
            sql = f"SELECT id, deleted, data FROM jobs WHERE account = ? AND id IN ({marks})"  # noqa: S608 - only marks
            found.update(_known(await self._database.fetch(sql, account, *some)))
        return found

    async def deleted_since(self, account: str, since: int) -> dict[str, int]:
        sql = "SELECT id, observed_at FROM jobs WHERE account = ? AND deleted AND observed_at > ?"
        return {id_: parse_iso(at) for id_, at in await self._database.fetch(sql, account, iso(since))}

    async def count_created(self, account: str, after: int) -> int:
        sql = "SELECT count(*) FROM jobs WHERE account = ? AND created_at > ?"
        return int((await self._database.fetch(sql, account, after))[0][0])

    async def creation_of_nth_newest(self, account: str, nth: int) -> int | None:
        sql = "SELECT created_at FROM jobs WHERE account = ? ORDER BY created_at DESC LIMIT 1 OFFSET ?"
        found = await self._database.fetch(sql, account, nth)
        return int(found[0][0]) if found else None

    async def newest_ids(self, account: str, after: int, limit: int) -> list[str]:
        sql = """
            SELECT id FROM jobs WHERE account = ? AND created_at > ? AND NOT deleted ORDER BY created_at DESC LIMIT ?
        """
        return [id_ for (id_,) in await self._database.fetch(sql, account, after, limit)]

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        try:
            await self._record(account, changes, watermark)
        except StorageError as error:
            self._unrecorded = str(error)
            raise
        self._unrecorded = None

    async def append(self, events: Sequence[Event]) -> list[Event]:
        def work(connection: sqlite3.Connection) -> tuple[list[Event], Appended]:
            current = [event for event in events if is_current(connection, event)]
            return current, self._log.append(connection, [LogEntry(event, event.data.get("id")) for event in current])

        current, appended = await self._log.write("appending events", work)
        self._log.committed(appended)
        return current

    async def active_job_statuses(self, account: str, after: str = "") -> list[ActiveJobStatus]:
        while rows := await self._database.fetch(ACTIVE_JOB_STATUSES, account, after, STATUSES_PER_PAGE):
            if found := decode_statuses(rows):
                return found
            after = rows[-1][0]  # none of these can be read
        return []

    async def last_account_event(self, account: str) -> Event | None:
        found = await self._database.fetch(LAST_ACCOUNT_EVENT, account)
        return decode_event(found[0][0]) if found else None

    async def prune(self, before: int) -> int:
        return await self.outbox.prune(before)

    async def replay(self, which: Replay, now: int) -> ReplayResult:
        return await replay(self._database, which, now)

    async def enable_receiver(self, receiver: str, now: int) -> bool:
        return await enable(self._database, receiver, now)

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        return await read_orphans(self._database.fetch, receivers, accounts)

    async def move_deliveries(self, old: str, new: str, now: int) -> Moved:
        return await move(self._database, old, new, now)

    async def drop_deliveries(self, receiver: str, *, dead: bool = False) -> Dropped:
        return await drop(self._database, receiver, dead=dead)

    async def probe(self, swept: Mapping[str, int] = NOT_SWEPT) -> str | None:
        """What is wrong with the store; None where nothing is: it can write, and the last record did not fail.

        It commits when accounts were last `swept` (Unix milliseconds), for readers while no daemon runs, and changes nothing
        else. A full disk may have room for that and none for the next record.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_REWRITE_HEADER)
            connection.executemany(_SWEPT, swept.items())

        try:
            await self._database.write("probing", work, DatabaseUse.PROBE)
        except StorageError as error:
            return str(error)
        return self._unrecorded

    async def workload(self, accounts: Iterable[str]) -> Workload:
        """How many jobs of these accounts, and deliveries to today's receivers, are not over. Raises `StorageError`."""
        counts = dict(await self._database.fetch(_JOBS_BY_STATUS, json.dumps([*accounts])))
        deliveries = await self.outbox.count_open()
        return Workload(
            running=counts.get("RUNNING", 0) + counts.get("CANCELLATION_REQUESTED", 0),
            queued=counts.get("QUEUED", 0),
            pending=deliveries.get("pending", 0),
            dead=deliveries.get("dead", 0),
        )

    async def _record(self, account: str, changes: Sequence[Change], watermark: int | None) -> None:
        def work(connection: sqlite3.Connection) -> tuple[Draft, Appended]:
            draft = self._active.change(connection, account)
            entries = [LogEntry(event, change.known.job.id, change.backfilled) for change in changes for event in change.events]
            appended = self._log.append(connection, entries)
            _write_jobs(connection, changes, appended.first_seq)
            if watermark is not None:
                connection.execute("UPDATE accounts SET watermark = ? WHERE name = ?", (watermark, account))
            return draft, appended

        draft, appended = await self._log.write("recording events", work)
        self._active.committed(draft, changes)
        self._log.committed(appended)

    async def _checkpoint(self, account: str) -> Checkpoint | None:
        found = await self._database.fetch("SELECT since, horizon, watermark FROM accounts WHERE name = ?", account)
        return Checkpoint(since=found[0][0], horizon=found[0][1], watermark=found[0][2]) if found else None


@asynccontextmanager
async def open_sqlite_store(
    path: Path,
    subscriptions: Iterable[Subscription] = (),
    *,
    notified: EventObserver = lambda _event, _backfilled: None,
    used: UseObserver = lambda _use, _succeeded: None,
) -> AsyncIterator[SqliteStore]:
    """See `tracker.store.opening.open_store`."""
    path = prepared_path(path)
    with hold_lock_file(path), hold_database_file(ensure_file(path)):
        undo_displacement(path)
        migrate(path)
        database = Database(path, used)
        try:
            await database.open()
            wakeups = InProcessWakeups()
            yield SqliteStore(database, EventLog(database, subscriptions, wakeups, notified), wakeups)
        finally:
            await database.close()


def prepared_path(path: Path) -> Path:
    """The file's real path, its directory created where it is missing.

    Raises `StorageError` where that fails, and where a link on the way was made by another user.
    """
    real = real_path(path)
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{real.parent}: cannot be made: {error.strerror}") from error
    return real


def _known(rows: list[Any]) -> dict[str, Known]:
    return {id_: Known(stored_job(id_, data), bool(deleted)) for id_, deleted, data in rows}


def _write_jobs(connection: sqlite3.Connection, changes: Sequence[Change], first_seq: int) -> None:
    last_seqs = accumulate((len(change.events) for change in changes), initial=first_seq - 1)
    rows: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
    for change, seq in zip(changes, islice(last_seqs, 1, None), strict=True):
        rows[_is_progress(change)].append(_job_row(change, seq))
    connection.executemany(_UPSERT_JOB, rows[False])
    if connection.executemany(_PROGRESS_OF_JOB, rows[True]).rowcount < len(rows[True]):
        connection.executemany(_UPSERT_JOB, rows[True])  # the table may not have a job that another file had


def _is_progress(change: Change) -> bool:
    return all(event.type == "batch.progress" and event.changes.keys() <= _COUNTERS for event in change.events)


def _job_row(change: Change, seq: int) -> tuple[Any, ...]:
    known, job = change.known, change.known.job
    first, last = change.events[0].observed_at, change.events[-1].observed_at
    data = _encode(job.to_data()).decode()
    return (
        change.account, job.id, job.status, known.active, known.deleted, job.created_at, first, last, seq, data
    )  # fmt: skip
