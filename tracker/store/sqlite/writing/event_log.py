"""Owns appending to the log: events numbered without gaps and inserted with their deliveries, and notifying of them.

An event and its deliveries are written in one transaction, of the caller's. Once that is committed, `committed` calls back and
wakes those who wait.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tracker.core.deliveries.fan_out import Subscription, fan_out, stream_of
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, encode_event, parse_iso
from tracker.core.ports.store import EventObserver
from tracker.core.ports.wakeups import Wakeups
from tracker.store.sqlite.database.connection import Database
from tracker.store.sqlite.writing.durations import milliseconds

_INSERT_EVENT: Final = """
INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_INSERT_DELIVERY: Final = """
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at) VALUES (?, ?, ?, ?, 'pending', 0, ?)"""

_SUPERSEDE: Final = """
UPDATE deliveries INDEXED BY deliveries_stream SET state = 'superseded', ended_at = new.due_at
FROM (SELECT receiver, stream, seq, due_at FROM deliveries INDEXED BY deliveries_of_event WHERE seq >= ?) AS new
WHERE deliveries.receiver = new.receiver AND deliveries.stream = new.stream AND deliveries.seq < new.seq
  AND deliveries.state = 'pending' AND deliveries.type = 'batch.progress' AND deliveries.replays = 0"""
"""By the deliveries from that seq on; what a replay asked for is sent all the same."""

T = TypeVar("T")


class LogEntry(NamedTuple):
    """An event to be logged, and its job's id; one that is `backfilled` becomes no delivery."""

    event: Event
    job: str | None
    backfilled: bool = False


class Appended(NamedTuple):
    """The seq of the first event that was appended, the receivers of their deliveries, and the numbered events."""

    first_seq: int
    receivers: set[str]
    entries: Sequence[LogEntry]


class EventLog:
    """The table of events, and the subscriptions by which an event becomes deliveries."""

    def __init__(
        self, database: Database, subscriptions: Iterable[Subscription], wakeups: Wakeups, notified: EventObserver
    ) -> None:
        self.subscriptions = tuple(subscriptions)
        self._wakeups = wakeups
        self._notified = notified
        self._database = database

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Make deliveries for these from now on, and for no others."""
        self.subscriptions = tuple(subscriptions)

    async def write(self, what: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """As the database's `write`. Where the disk fails it wakes every deliverer: COMMIT may have committed all the same."""
        try:
            return await self._database.write(what, work)
        except StorageError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                self._wakeups.wake_all_deliverers()
            raise

    def append(self, connection: sqlite3.Connection, entries: Sequence[LogEntry]) -> Appended:
        """Within a transaction: number the events and insert them with their deliveries."""
        ((last_seq,),) = connection.execute("SELECT coalesce(max(seq), 0) FROM events")
        first_seq = last_seq + 1
        numbered = [
            LogEntry(msgspec.structs.replace(event, seq=seq), job, backfilled)
            for seq, (event, job, backfilled) in enumerate(entries, first_seq)
        ]
        connection.executemany(_INSERT_EVENT, map(_event_row, numbered))
        deliveries = list(_delivery_rows(self.subscriptions, (entry.event for entry in numbered if not entry.backfilled)))
        connection.executemany(_INSERT_DELIVERY, deliveries)
        connection.execute(_SUPERSEDE, (first_seq,))
        return Appended(first_seq, {receiver for receiver, *_ in deliveries}, numbered)

    def committed(self, appended: Appended) -> None:
        """The transaction of `appended` is committed: call the observer, and wake those who wait for it."""
        for entry in appended.entries:
            self._notified(entry.event, entry.backfilled)
        self._wakeups.wake_deliverers(appended.receivers)
        if appended.entries:
            self._wakeups.wake_log_readers()


def _delivery_rows(subscriptions: Iterable[Subscription], events: Iterable[Event]) -> Iterator[tuple[Any, ...]]:
    moment_of = cache(parse_iso)  # what is recorded together was mostly observed together
    for event in events:
        for subscription in fan_out(subscriptions, event):
            due_at = moment_of(event.observed_at) + milliseconds(subscription.delay)
            yield subscription.receiver, event.seq, stream_of(event), event.type, due_at


def _event_row(entry: LogEntry) -> tuple[Any, ...]:
    event = entry.event
    body = encode_event(event)
    return (
        event.seq, event.id, event.type, event.account, entry.job, event.created_at, event.observed_at, entry.backfilled, body
    )  # fmt: skip
