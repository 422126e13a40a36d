"""Owns appending to the log: events are numbered without gaps and inserted with their deliveries.

An event and its deliveries are written in the caller's transaction. After its commit, `committed` calls the observer, hands new
deliveries to the dispatchers of their receivers, and wakes waiting tasks.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.silences import SilencedObserver
from tracker.core.ports.store import EventObserver
from tracker.core.ports.wakeups import Wakeups
from tracker.runtime.clock import now
from tracker.store.records.handover import hand_over
from tracker.store.records.log_rows import Appended, LogEntry, appended_rows, delivery_rows, event_row, numbered
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.writing.silences_table import open_silences
from tracker.store.sqlite.writing.superseded_progress import supersede_progress

_INSERT_EVENT: Final = """
INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body, base)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_INSERT_DELIVERY: Final = """
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, silence)
VALUES (?1, ?2, ?3, ?4, iif(?6 IS NULL, 'pending', 'superseded'), 0, ?5, ?6)"""

T = TypeVar("T")


class EventLog:
    """The table of events, and the subscriptions by which an event becomes deliveries."""

    def __init__(
        self,
        database: Database,
        subscriptions: Iterable[Subscription],
        wakeups: Wakeups,
        notified: EventObserver,
        now: Callable[[], int] = now,
    ) -> None:
        self.subscriptions = tuple(subscriptions)
        self.silenced: SilencedObserver = lambda _silenced: None
        self._now = now
        self._wakeups = wakeups
        self._notified = notified
        self._database = database

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Make deliveries for these from now on, and for no others."""
        self.subscriptions = tuple(subscriptions)

    async def write(self, what: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """As the database's `write`. After a disk error it wakes all deliverers and archivers: COMMIT may have succeeded."""
        try:
            return await self._database.write(what, work)
        except StorageError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                self._wakeups.wake_all_deliverers()
                self._wakeups.wake_archivers()
            raise

    def append(self, connection: sqlite3.Connection, entries: Sequence[LogEntry]) -> Appended:
        """Within a transaction: number the events and insert them with their deliveries."""
        if not entries:
            return Appended(0, ())
        ((last_seq,),) = connection.execute("SELECT coalesce(max(seq), 0) FROM events")
        first_seq = last_seq + 1
        appended = numbered(entries, first_seq)
        connection.executemany(_INSERT_EVENT, map(event_row, appended))
        deliveries = list(delivery_rows(self.subscriptions, appended, open_silences(connection), self._now()))
        connection.executemany(_INSERT_DELIVERY, deliveries)
        supersede_progress(connection, first_seq)
        return appended_rows(first_seq, appended, deliveries)

    def committed(self, appended: Appended) -> None:
        """The transaction of `appended` is committed: call the observer, hand over deliveries, and wake waiting tasks."""
        for entry in appended.entries:
            self._notified(entry.event, entry.backfilled)
        hand_over(appended, self._wakeups)
        if appended.silenced:
            self.silenced(appended.silenced)
        if appended.entries:
            self._wakeups.wake_log_readers()
