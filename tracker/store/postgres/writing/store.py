"""Owns the PostgreSQL store: every write of a process to the database, each in one durable transaction."""

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.reminders import is_receiver_reminder
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event
from tracker.core.events.job_diff import Change, Known
from tracker.core.events.time_limits import ActiveJobStatus
from tracker.core.jobs.job import Job
from tracker.core.ports.leases import Leases
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
from tracker.core.queries.orphaned_deliveries import Dropped, Moved, Orphans
from tracker.core.queries.workload import Workload, workload_of
from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease
from tracker.runtime.clock import now
from tracker.runtime.wakeups import InProcessWakeups
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.postgres.notification_sender import Signals
from tracker.store.postgres.reading.read_connection import read_at_one_moment
from tracker.store.postgres.reading.statements import ORPHANS
from tracker.store.postgres.writing.accounts_table import (
    insert_account,
    read_checkpoint,
    set_swept_at,
    set_watermark,
)
from tracker.store.postgres.writing.active_jobs import read_active_jobs
from tracker.store.postgres.writing.archive_tasks import PostgresArchive
from tracker.store.postgres.writing.delivery_retention import prune_deliveries
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.postgres.writing.job_messages_table import PostgresJobMessages
from tracker.store.postgres.writing.job_queries import JobQueries
from tracker.store.postgres.writing.jobs_table import write_jobs
from tracker.store.postgres.writing.orphaned_deliveries import drop, move
from tracker.store.postgres.writing.outbox import PostgresOutbox
from tracker.store.postgres.writing.receivers_table import decode_receiver
from tracker.store.postgres.writing.replay import enable, replay
from tracker.store.postgres.writing.silences import PostgresSilences
from tracker.store.postgres.writing.time_limit_queries import (
    ACTIVE_JOB_STATUSES,
    FAILING_RECEIVERS,
    LAST_ACCOUNT_EVENT,
    LAST_RECEIVER_EVENT,
    current_events,
)
from tracker.store.records.active_jobs_cache import ActiveJobsCache, Draft
from tracker.store.records.log_rows import Appended, LogEntry
from tracker.store.records.orphaned_deliveries_and_jobs import read_orphans
from tracker.store.records.query import Query
from tracker.store.records.time_limit_rows import STATUSES_PER_PAGE, decode_event, decode_statuses
from tracker.store.single_process_leases import SoleLeases


class PostgresStore:
    """The `Store` of core.ports on PostgreSQL; open one with `open_postgres_store`.

    A process that joins the replicas sets `leases` and `now`, gives the database a fence, calls `forget_account` where it gains
    an account, `commanded` where a command of another process changed receivers, and `hinted` with the hints of others.
    """

    def __init__(self, database: Database, log: EventLog, wakeups: InProcessWakeups) -> None:
        self.wakeups = wakeups
        self.leases: Leases = SoleLeases()
        self.now: Callable[[], int] = now
        self.commanded: CommandObserver = lambda _receivers: None
        self.hinted: HintObserver = lambda _hints: None
        self.database = database
        self.log = log
        self.outbox = PostgresOutbox(database, log, wakeups)
        self.job_messages = PostgresJobMessages(database)
        self.archive = PostgresArchive(database, log)
        self.silences = PostgresSilences(database, log)
        log.now = self._now_of_log
        self._jobs = JobQueries(database)
        self._active = ActiveJobsCache()
        self._record_errors: dict[str, str] = {}  # why the last record of an account failed, where it did

    def _now_of_log(self) -> int:
        return self.now()  # a process that joins the replicas replaces it later

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        self.log.subscribe(subscriptions)

    def watch_commands(self, commanded: CommandObserver) -> None:
        self.commanded = commanded

    def watch_hints(self, hinted: HintObserver) -> None:
        self.hinted = hinted

    async def send_hints(self, hints: Collection[tuple[str, str]]) -> None:
        sender = self.log.sender
        await self.database.fetch("SELECT pg_notify($1, $2)", sender.channel, sender.payload(Signals(hints=hints)))

    def forget_account(self, account: str) -> None:
        """Read the active jobs of `account` again: another process may have written to them."""
        self._active.forget(account)

    async def checkpoint(self, account: str, initial: Checkpoint) -> Checkpoint:
        found = await read_checkpoint(self.database, account)
        if found is None:
            await insert_account(self.database, account, initial)
            found = await read_checkpoint(self.database, account)
        return found or initial

    async def active_jobs(self, account: str) -> dict[str, Known]:
        return await self.database.read("reading", lambda connection: read_active_jobs(self._active, connection, account))

    def active_jobs_snapshot(self, account: str) -> Mapping[str, Job]:
        return self._active.snapshot(account)

    async def known_jobs(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        return await self._jobs.known(account, ids)

    async def deleted_since(self, account: str, since: int) -> Mapping[str, int]:
        return await self._jobs.deleted_since(account, since)

    async def count_created(self, account: str, after: int) -> int:
        return await self._jobs.count_created(account, after)

    async def creation_of_nth_newest(self, account: str, nth: int) -> int | None:
        return await self._jobs.creation_of_nth_newest(account, nth)

    async def newest_ids(self, account: str, after: int, limit: int) -> Collection[str]:
        return await self._jobs.newest_ids(account, after, limit)

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        try:
            await self._record(account, changes, watermark)
        except LeaseLostError:
            raise
        except StorageError as error:
            self._record_errors[account] = str(error)
            raise
        self._record_errors.pop(account, None)

    async def append(self, events: Sequence[Event]) -> Sequence[Event]:
        leases = [account_lease(name) if name else MAINTENANCE_LEASE for name in sorted({event.account for event in events})]
        holds = [self.database.fenced(lease) for lease in leases]

        async def work(connection: asyncpg.Connection) -> tuple[list[Event], Appended]:
            for hold in holds:
                await hold(connection)
            if any(map(is_receiver_reminder, events)):  # its recovery, if there is one, is in the log then
                await self.log.lock_head(connection)
            current = await current_events(connection, events)
            return current, await self.log.append(connection, [LogEntry(event, event.data.get("id")) for event in current])

        current, appended = await self.log.write("appending events", work)
        self.log.committed(appended)
        return current

    async def active_job_statuses(self, account: str, after: str = "") -> Sequence[ActiveJobStatus]:
        stored_account, stored_after = encode_text(account), encode_text(after)
        while rows := await self.database.fetch(ACTIVE_JOB_STATUSES, stored_account, stored_after, STATUSES_PER_PAGE):
            if found := decode_statuses(rows):
                return found
            stored_after = rows[-1][0]  # none of these can be read
        return []

    async def last_account_event(self, account: str) -> Event | None:
        found = await self.database.fetch(LAST_ACCOUNT_EVENT, encode_text(account))
        return decode_event(found[0][0]) if found else None

    async def failing_receivers(self) -> dict[str, Circuit]:
        rows = await self.database.fetch(FAILING_RECEIVERS)
        return {decode_text(name): decode_receiver(state).circuit for name, *state in rows}

    async def last_receiver_event(self, receiver: str) -> Event | None:
        found = await self.database.fetch(LAST_RECEIVER_EVENT, receiver)
        return decode_event(found[0][0]) if found else None

    async def prune(self, before: int) -> int:
        return await prune_deliveries(self.database, before)

    async def move_events(self, before: int, step: int) -> MovedEvents:  # noqa: ARG002 - see `Store`
        return MovedEvents(0, 1, None)

    async def replay(self, which: Replay, now: int) -> ReplayResult:
        return await replay(self.database, self.log.sender, which, now)

    async def enable_receiver(self, receiver: str, now: int) -> bool:
        return await enable(self.database, self.log.sender, receiver, now)

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        def reading(query: Query) -> Coroutine[Any, Any, Orphans]:
            return read_orphans(query, ORPHANS, receivers, accounts)

        return await self.database.read("reading orphans", lambda connection: read_at_one_moment(connection, reading))

    async def move_deliveries(self, old: str, new: str, now: int) -> Moved:
        return await move(self.database, self.log.sender, old, new, now)

    async def drop_deliveries(self, receiver: str, *, dead: bool = False) -> Dropped:
        return await drop(self.database, receiver, dead=dead)

    async def probe(self, swept: Mapping[str, int] = NOT_SWEPT) -> str | None:
        """The error of the store; None if it can write and the last record of each account did not fail.

        It commits when accounts were last `swept` (Unix milliseconds), and which transaction of this process it is.
        """
        try:
            await self.database.write("probing", lambda connection: set_swept_at(connection, swept), DatabaseUse.PROBE)
        except StorageError as error:
            return str(error)
        return next((error for account, error in self._record_errors.items() if self._is_polled(account)), None)

    async def workload(self, accounts: Iterable[str]) -> Workload:
        counts = await self._jobs.counts_by_status(accounts)
        return workload_of(counts, await self.outbox.count_open())

    def _is_polled(self, account: str) -> bool:
        """Whether this process is the one to record again what failed."""
        return self.leases.is_valid(account_lease(account))

    async def _record(self, account: str, changes: Sequence[Change], watermark: int | None) -> None:
        async def work(connection: asyncpg.Connection) -> tuple[Draft, Appended, bool]:
            draft = self._active.change(connection, account)
            entries = [LogEntry(event, change.known.job.id, change.backfilled) for change in changes for event in change.events]
            appended = await self.log.append(connection, entries)
            await write_jobs(connection, changes, appended.first_seq)
            if has_tasks := await self.archive.make_tasks(connection, account, changes):
                await self.log.sender.send(connection, Signals(archive=True))
            if watermark is not None:
                await set_watermark(connection, account, watermark)
            return draft, appended, has_tasks

        draft, appended, has_tasks = await self.log.write("recording events", work, account_lease(account))
        self._active.committed(draft, changes)
        self.log.committed(appended)
        if has_tasks:
            self.wakeups.wake_archivers()


@asynccontextmanager
async def open_postgres_store(
    address: PostgresAddress,
    subscriptions: Iterable[Subscription] = (),
    *,
    notified: EventObserver = lambda _event, _backfilled: None,
    used: UseObserver = lambda _use, _succeeded: None,
) -> AsyncIterator[PostgresStore]:
    """A store that has joined no replicas: it needs no lease, and hears of no other process's commits.

    The schema is made or brought up to date. Raises `StorageError` as `migrate` and `connect`.
    """
    database = Database(address, used)
    try:
        await database.open(migrating=True)
        wakeups = InProcessWakeups()
        yield PostgresStore(database, EventLog(database, subscriptions, wakeups, notified), wakeups)
    finally:
        await database.close()
