"""Owns the SQLite store: every write to the database, each in one durable transaction."""

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, iso, parse_iso
from tracker.core.events.job_diff import Change, Known
from tracker.core.events.time_limits import ActiveJobStatus
from tracker.core.jobs.job import Job
from tracker.core.ports.store import (
    NOT_SWEPT,
    Checkpoint,
    CommandObserver,
    DatabaseUse,
    EventObserver,
    HintObserver,
    MovedEvents,
    UseObserver,
)
from tracker.core.ports.wakeups import Wakeups
from tracker.core.queries.orphaned_deliveries import Dropped, Moved, Orphans
from tracker.core.queries.workload import Workload, workload_of
from tracker.runtime.clock import now
from tracker.runtime.wakeups import InProcessWakeups
from tracker.store.address import default_segments
from tracker.store.records.active_jobs_cache import ActiveJobsCache, Draft
from tracker.store.records.log_rows import Appended, LogEntry
from tracker.store.records.orphaned_deliveries_and_jobs import read_orphans
from tracker.store.records.time_limit_rows import STATUSES_PER_PAGE, decode_event, decode_statuses
from tracker.store.records.unlogged_progress import PROGRESS, known_job
from tracker.store.single_process_leases import SoleLeases
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import ensure_file, migrate
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.files.displaced_database import undo_displacement
from tracker.store.sqlite.files.lock import hold_database_file, hold_lock_file
from tracker.store.sqlite.files.ownership import prepared_path
from tracker.store.sqlite.reading.snapshot import Snapshot
from tracker.store.sqlite.reading.statements import ORPHANS
from tracker.store.sqlite.writing.active_jobs import read_active_jobs
from tracker.store.sqlite.writing.archive_tasks import SqliteArchive
from tracker.store.sqlite.writing.delivery_retention import prune_deliveries
from tracker.store.sqlite.writing.event_log import EventLog
from tracker.store.sqlite.writing.event_mover import EventMover
from tracker.store.sqlite.writing.job_messages_table import SqliteJobMessages
from tracker.store.sqlite.writing.jobs_table import write_jobs
from tracker.store.sqlite.writing.orphaned_deliveries import drop, move
from tracker.store.sqlite.writing.outbox import SqliteOutbox, decode_circuit
from tracker.store.sqlite.writing.progress_delta_bases import log_entries
from tracker.store.sqlite.writing.replay import enable, replay
from tracker.store.sqlite.writing.silences import SqliteSilences
from tracker.store.sqlite.writing.time_limit_queries import (
    ACTIVE_JOB_STATUSES,
    FAILING_RECEIVERS,
    LAST_ACCOUNT_EVENT,
    LAST_RECEIVER_EVENT,
    is_current,
)

_MAX_IDS_PER_QUERY: Final = 10_000
"""SQLite takes up to 32,766 parameters."""

_KNOWN_JOBS: Final = f"SELECT id, deleted, data, observed_at, {PROGRESS} FROM jobs WHERE account = ? AND id IN"  # noqa: S608

_JOBS_BY_STATUS: Final = """
SELECT status, sum(jobs) FROM job_counts WHERE account IN (SELECT value FROM json_each(?)) AND NOT deleted GROUP BY status"""

_INSERT_ACCOUNT: Final = "INSERT INTO accounts (name, since, horizon) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

_SET_SWEPT_AT: Final = "UPDATE accounts SET swept_at = ?2 WHERE name = ?1 AND swept_at IS NOT ?2"

_REWRITE_HEADER: Final = f"PRAGMA user_version = {len(MIGRATIONS)}"
"""Writes the first page and changes nothing in it."""


class SqliteStore:
    """The `Store` of core.ports on SQLite; open one with `open_sqlite_store`."""

    def __init__(self, database: Database, log: EventLog, wakeups: Wakeups, mover: EventMover) -> None:
        self.wakeups = wakeups
        self.leases = SoleLeases()
        self.outbox = SqliteOutbox(database, log, wakeups)
        self.job_messages = SqliteJobMessages(database)
        self.archive = SqliteArchive(database, log)
        self.silences = SqliteSilences(database, log)
        self._database = database
        self._log = log
        self._mover = mover
        self._active = ActiveJobsCache()
        self._record_error: str | None = None  # why the last record failed; None if it did not

    def now(self) -> int:
        return now()

    def watch_commands(self, commanded: CommandObserver) -> None:
        """Nothing to watch: no other process writes to the file."""

    def watch_hints(self, hinted: HintObserver) -> None:
        """No other process sends any."""

    async def send_hints(self, hints: Collection[tuple[str, str]]) -> None:
        """No other process would hear of them."""

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
        return await self._database.read("reading", lambda connection: read_active_jobs(self._active, connection, account))

    def active_jobs_snapshot(self, account: str) -> Mapping[str, Job]:
        return self._active.snapshot(account)

    async def known_jobs(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        wanted, found = list(ids), {}
        for some in (wanted[start : start + _MAX_IDS_PER_QUERY] for start in range(0, len(wanted), _MAX_IDS_PER_QUERY)):
            marks = ",".join("?" * len(some))  # not json_each: it ends a string at a NUL
            sql = f"{_KNOWN_JOBS} ({marks})"
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
            self._record_error = str(error)
            raise
        self._record_error = None

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

    async def failing_receivers(self) -> dict[str, Circuit]:
        return {name: decode_circuit(state) for name, *state in await self._database.fetch(FAILING_RECEIVERS)}

    async def last_receiver_event(self, receiver: str) -> Event | None:
        found = await self._database.fetch(LAST_RECEIVER_EVENT, receiver)
        return decode_event(found[0][0]) if found else None

    async def prune(self, before: int) -> int:
        return await prune_deliveries(self._database, before)

    async def move_events(self, before: int, step: int) -> MovedEvents:
        return await self._mover.move(before, step)

    async def replay(self, which: Replay, now: int) -> ReplayResult:
        return await replay(self._database, which, now)

    async def enable_receiver(self, receiver: str, now: int) -> bool:
        return await enable(self._database, receiver, now)

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        async with self._database.connected("looking for orphans") as connection:
            return await Snapshot(lambda query: read_orphans(query, ORPHANS, receivers, accounts)).read(connection)

    async def move_deliveries(self, old: str, new: str, now: int) -> Moved:
        return await move(self._database, old, new, now)

    async def drop_deliveries(self, receiver: str, *, dead: bool = False) -> Dropped:
        return await drop(self._database, receiver, dead=dead)

    async def probe(self, swept: Mapping[str, int] = NOT_SWEPT) -> str | None:
        """The error of the store; None if it can write and the last record did not fail.

        It commits when accounts were last `swept` (Unix milliseconds), for readers while no daemon runs, and changes nothing
        else. A full disk may have room for that and none for the next record.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_REWRITE_HEADER)
            connection.executemany(_SET_SWEPT_AT, swept.items())

        try:
            await self._database.write("probing", work, DatabaseUse.PROBE)
        except StorageError as error:
            return str(error)
        return self._record_error

    async def workload(self, accounts: Iterable[str]) -> Workload:
        counts = dict(await self._database.fetch(_JOBS_BY_STATUS, json.dumps([*accounts])))
        return workload_of(counts, await self.outbox.count_open())

    async def _record(self, account: str, changes: Sequence[Change], watermark: int | None) -> None:
        def work(connection: sqlite3.Connection) -> tuple[Draft, Appended, bool]:
            draft = self._active.change(connection, account)
            appended = self._log.append(connection, log_entries(connection, account, changes))
            write_jobs(connection, changes, appended.first_seq)
            has_tasks = self.archive.make_tasks(connection, account, changes)
            if watermark is not None:
                connection.execute("UPDATE accounts SET watermark = ? WHERE name = ?", (watermark, account))
            return draft, appended, has_tasks

        draft, appended, has_tasks = await self._log.write("recording events", work)
        self._active.committed(draft, changes)
        self._log.committed(appended)
        if has_tasks:
            self.wakeups.wake_archivers()

    async def _checkpoint(self, account: str) -> Checkpoint | None:
        found = await self._database.fetch("SELECT since, horizon, watermark FROM accounts WHERE name = ?", account)
        return Checkpoint(since=found[0][0], horizon=found[0][1], watermark=found[0][2]) if found else None


@asynccontextmanager
async def open_sqlite_store(
    path: Path,
    subscriptions: Iterable[Subscription] = (),
    *,
    segments: Path | None = None,
    notified: EventObserver = lambda _event, _backfilled: None,
    used: UseObserver = lambda _use, _succeeded: None,
) -> AsyncIterator[SqliteStore]:
    """See `tracker.store.opening.open_store`."""
    segments = segments or default_segments(path)
    path = prepared_path(path)
    with hold_lock_file(path), hold_database_file(ensure_file(path)):
        undo_displacement(path)
        migrate(path)
        database = Database(path, used)
        try:
            await database.open()
            wakeups = InProcessWakeups()
            log, mover = EventLog(database, subscriptions, wakeups, notified), EventMover(database, path, segments)
            yield SqliteStore(database, log, wakeups, mover)
        finally:
            await database.close()


def _known(rows: list[Any]) -> dict[str, Known]:
    return {id_: known_job(id_, *row, deleted=bool(deleted)) for id_, deleted, *row in rows}
