"""Owns appending to the log: events are numbered without gaps and inserted with their deliveries.

The row of `log_head` numbers them: who appends holds it until the end of the transaction, so that events become visible in
their order. After the commit, `committed` calls the observer, hands over deliveries and wakes waiting tasks; other processes
get a notification.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import asyncpg

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.ports.silences import SilencedObserver
from tracker.core.ports.store import EventObserver
from tracker.core.ports.wakeups import Wakeups
from tracker.core.replicas.lease import LeaseKey
from tracker.core.silences.silence import Silence
from tracker.runtime.clock import now
from tracker.store.postgres.database.text_escape import decode_text, encode_optional_texts, encode_texts
from tracker.store.postgres.database.writer_connection import Database, OutcomeUnknownError
from tracker.store.postgres.notification_sender import NotificationSender, Signals
from tracker.store.postgres.writing.silences_table import OpenSilencesCache
from tracker.store.records.handover import hand_over
from tracker.store.records.log_rows import (
    Appended,
    DeliveryRow,
    EventRow,
    LogEntry,
    appended_rows,
    delivery_rows,
    event_row,
    numbered,
)

_LOCK_HEAD: Final = "SELECT seq FROM log_head FOR UPDATE"

_NUMBER: Final = "UPDATE log_head SET seq = seq + $1 RETURNING seq - $1 + 1, silences"

_EVENTS: Final = """
WITH inserted AS (
  INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)
  SELECT * FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::boolean[],
    $11::text[])
)"""

_DELIVERIES: Final = """
, new AS MATERIALIZED (
  SELECT *, lead(due_at) OVER (PARTITION BY receiver, stream, silence IS NULL ORDER BY seq) AS next_due_at
  FROM unnest($12::text[], $13::bigint[], $14::text[], $15::text[], $16::bigint[], $17::text[])
    AS rows (receiver, seq, stream, type, due_at, silence)
), overtaken AS (  -- row by row: statistics of what is pending are never new enough for the planner to choose that by itself
  SELECT new.receiver, earlier.seq, new.due_at FROM new CROSS JOIN LATERAL (
    SELECT d.seq FROM deliveries AS d
    WHERE d.receiver || '/' || d.stream = new.receiver || '/' || new.stream AND d.receiver IS NOT DISTINCT FROM new.receiver
      AND d.state = 'pending' AND d.type = 'batch.progress' OFFSET 0) AS earlier
  WHERE new.silence IS NULL
), locked AS (  -- in the order in which all who change deliveries lock them
  SELECT d.*, next.due_at FROM (SELECT * FROM overtaken ORDER BY receiver, seq) AS next CROSS JOIN LATERAL (
    SELECT receiver, seq FROM deliveries
    WHERE receiver = next.receiver AND seq = next.seq AND state = 'pending' AND replays = 0 FOR UPDATE) AS d
), superseded AS (
  UPDATE deliveries AS d SET state = 'superseded', ended_at = locked.due_at FROM locked
  WHERE d.receiver = locked.receiver AND d.seq = locked.seq
), queued AS (
  INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at, ended_at, silence)
  SELECT receiver, seq, stream, type, CASE WHEN is_overtaken OR silence IS NOT NULL THEN 'superseded' ELSE 'pending' END, 0,
    due_at, CASE WHEN is_overtaken THEN next_due_at END, silence
  FROM (SELECT *, type = 'batch.progress' AND next_due_at IS NOT NULL AND silence IS NULL AS is_overtaken FROM new) AS each
)"""
"""A pending delivery of `batch.progress` is superseded by a later one of its stream. Replayed deliveries are sent anyway.

One that is silenced supersedes nothing: it is not sent either.
"""

_PRECEDED: Final = """, ARRAY(
  SELECT receiver FROM new CROSS JOIN LATERAL (
    SELECT FROM deliveries AS d
    WHERE d.receiver || '/' || d.stream = new.receiver || '/' || new.stream AND d.receiver IS NOT DISTINCT FROM new.receiver
      AND d.state = 'pending' LIMIT 1) AS earlier
  WHERE new.silence IS NULL)"""
"""The receivers of a new delivery that has an earlier one in its stream. This process may not have heard of that one yet."""

_NOTIFY: Final = "SELECT pg_notify($1, $2)"
_APPEND_EVENTS: Final = _EVENTS + _NOTIFY
_APPEND_EVENTS_AND_DELIVERIES: Final = _EVENTS + _DELIVERIES + _NOTIFY
_APPEND_FEW: Final = _APPEND_EVENTS_AND_DELIVERIES + _PRECEDED

MOST_HANDED_OVER: Final = 64
"""Deliveries of a commit that may be handed over in memory; of more it does not ask what precedes them."""

T = TypeVar("T")


class EventLog:
    """The table of events, and the subscriptions by which an event becomes deliveries."""

    def __init__(
        self, database: Database, subscriptions: Iterable[Subscription], wakeups: Wakeups, notified: EventObserver
    ) -> None:
        self.subscriptions = tuple(subscriptions)
        self.sender = NotificationSender(database.address.schema)
        self.silenced: SilencedObserver = lambda _silenced: None
        self.now: Callable[[], int] = now
        """Unix milliseconds by the store's clock, at which an event is compared with the silences."""
        self._silences = OpenSilencesCache()
        self._wakeups = wakeups
        self._notified = notified
        self._database = database

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Make deliveries for these from now on, and for no others."""
        self.subscriptions = tuple(subscriptions)

    async def write(self, what: str, work: Callable[[asyncpg.Connection], Awaitable[T]], lease: LeaseKey | None = None) -> T:
        """As the database's `write`. Where it is unknown whether it has committed, it wakes all deliverers and archivers."""
        try:
            return await self._database.write(what, work, lease=lease)
        except OutcomeUnknownError:
            self._wakeups.wake_all_deliverers()
            self._wakeups.wake_archivers()
            raise

    async def lock_head(self, connection: asyncpg.Connection) -> None:
        """Within a transaction: wait for the turn to append, as one that appends after it has locked other rows must."""
        await connection.execute(_LOCK_HEAD)

    async def append(
        self, connection: asyncpg.Connection, entries: Sequence[LogEntry], silences: Sequence[Silence] | None = None
    ) -> Appended:
        """Within a transaction: number the events, insert them with their deliveries, and notify other processes.

        A transaction that changes which silences are open gives those that are.
        """
        if not entries:
            return Appended(0, ())
        first_seq, version = await connection.fetchrow(_NUMBER, len(entries))
        appended = numbered(entries, first_seq)
        if silences is None:
            silences = await self._silences.at(connection, version)
        deliveries = list(delivery_rows(self.subscriptions, appended, silences, self.now()))
        done = appended_rows(first_seq, appended, deliveries)
        signals = self.sender.payload(Signals(log=True, receivers=sorted(done.deliveries)))
        rows = _event_columns([event_row(entry) for entry in appended])
        if not deliveries:
            await connection.execute(_APPEND_EVENTS, self.sender.channel, signals, *rows)
            return done
        rows += _delivery_columns(deliveries)
        if len(deliveries) > MOST_HANDED_OVER:
            await connection.execute(_APPEND_EVENTS_AND_DELIVERIES, self.sender.channel, signals, *rows)
            return done._replace(preceded=done.deliveries)
        preceded = await connection.fetchval(_APPEND_FEW, self.sender.channel, signals, *rows, column=1)
        return done._replace(preceded={decode_text(receiver) for receiver in preceded})

    def committed(self, appended: Appended) -> None:
        """The transaction of `appended` is committed: call the observer, hand over deliveries, and wake waiting tasks."""
        for entry in appended.entries:
            self._notified(entry.event, entry.backfilled)
        hand_over(appended, self._wakeups)
        if appended.silenced:
            self.silenced(appended.silenced)
        if appended.entries:
            self._wakeups.wake_log_readers()


def _event_columns(rows: Iterable[EventRow]) -> tuple[Sequence[object], ...]:
    seqs, ids, types, accounts, jobs, *others, _bases = zip(*rows, strict=True)
    return seqs, ids, types, encode_texts(accounts), encode_optional_texts(jobs), *others


def _delivery_columns(rows: Iterable[DeliveryRow]) -> tuple[Sequence[object], ...]:
    receivers, seqs, streams, types, due_at, silences = zip(*rows, strict=True)
    return encode_texts(receivers), seqs, encode_texts(streams), types, due_at, silences
