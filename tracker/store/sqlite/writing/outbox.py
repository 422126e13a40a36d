"""Owns the outbox: deliveries written with their events, claimed in order, and settled with what became of them.

Nothing is written when a delivery is claimed. A process that dies while it sends leaves the delivery pending, and the next
one sends it again, with the same id and the same bytes.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import anyio
import msgspec

from tracker.core.deliveries.circuit import TRIP, Circuit
from tracker.core.deliveries.delivery import Delivery, Settlement
from tracker.core.deliveries.fan_out import Subscription, fan_out, stream_of
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, encode_event, from_iso
from tracker.core.ports.store import EventObserver
from tracker.store.sqlite.database.connection import Database
from tracker.store.sqlite.writing.clock_rollback import rewind

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

_SELECT: Final = """SELECT d.receiver, d.seq, e.id, d.type, d.stream, d.attempts, e.body, d.replays
FROM deliveries AS d INDEXED BY deliveries_due CROSS JOIN events AS e ON e.seq = d.seq"""
"""Left to itself SQLite takes the primary key here and below, and reads every delivery that there ever was."""

_CLAIM: Final = f"""{_SELECT}
WHERE d.receiver = ?1 AND d.state = 'pending' AND d.due_at <= ?2
  AND NOT EXISTS (  -- an earlier one of the stream that is due itself, or has not been retried for `hold` yet
    SELECT 1 FROM deliveries AS earlier INDEXED BY deliveries_stream
    WHERE earlier.receiver = d.receiver AND earlier.stream = d.stream AND earlier.seq < d.seq AND earlier.state = 'pending'
      AND (earlier.first_failed_at IS NULL OR earlier.first_failed_at > ?3 OR earlier.due_at <= ?2))
  AND NOT EXISTS (  -- nor one that was superseded while it was under way
    SELECT 1 FROM json_each(?4) AS sent CROSS JOIN deliveries AS earlier
    WHERE earlier.receiver = d.receiver AND earlier.seq = sent.value
      AND earlier.stream = d.stream AND earlier.seq < d.seq AND earlier.state = 'superseded')
  AND d.seq NOT IN (SELECT value FROM json_each(?4))
ORDER BY d.due_at, d.seq LIMIT ?5"""  # noqa: S608 - of constants

_GATHERED: Final = f"""{_SELECT}
WHERE d.receiver = ?1 AND d.state = 'pending' AND (d.attempts = 0 OR d.due_at <= ?2)
  AND NOT EXISTS (  -- an earlier one of the stream that stays behind
    SELECT 1 FROM deliveries AS earlier INDEXED BY deliveries_stream
    WHERE earlier.receiver = d.receiver AND earlier.stream = d.stream AND earlier.seq < d.seq AND earlier.state = 'pending'
      AND (earlier.attempts > 0 AND earlier.due_at > ?2 AND earlier.first_failed_at > ?3
           OR earlier.seq IN (SELECT value FROM json_each(?4))))
  AND d.seq NOT IN (SELECT value FROM json_each(?4))
ORDER BY d.seq"""  # noqa: S608 - of constants

_NEXT_DUE: Final = """SELECT min(at) FROM (
  SELECT min(due_at) AS at FROM deliveries WHERE receiver = ?1 AND state = 'pending' AND due_at > ?2
  UNION ALL
  SELECT min(first_failed_at) + ?4 FROM deliveries INDEXED BY deliveries_due
  WHERE receiver = ?1 AND state = 'pending' AND first_failed_at > ?3)"""

_SETTLE: Final = """
UPDATE deliveries SET attempts = ?3, due_at = ?4,
  state = CASE WHEN state = 'superseded' AND ?5 = 'pending' THEN state ELSE ?5 END,
  ended_at = CASE WHEN ?5 = 'pending' THEN ended_at ELSE ?6 END,
  first_failed_at = CASE WHEN ?7 THEN coalesce(first_failed_at, ?6) ELSE first_failed_at END
WHERE receiver = ?1 AND seq = ?2 AND state IN ('pending', 'superseded')
  AND (?5 = 'delivered' OR (attempts = ?8 AND replays = ?9))  -- what failed before a replay changes nothing"""

_INSERT_ATTEMPT: Final = """
INSERT INTO attempts (receiver, seq, number, began_at, ended_at, result, status, detail, answer, retry_after)
SELECT ?1, ?2, (SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE receiver = ?1 AND seq = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9
FROM deliveries WHERE receiver = ?1 AND seq = ?2  -- which may have been pruned, moved or dropped meanwhile"""

_UPSERT_RECEIVER: Final = """
INSERT INTO receivers (name, failures, since, quiet_until, asked_until, reason, detail, disabled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, since = excluded.since, quiet_until = excluded.quiet_until,
  asked_until = excluded.asked_until, reason = excluded.reason, detail = excluded.detail, disabled = excluded.disabled"""

_RELEASE: Final = """
UPDATE deliveries SET
  due_at = min(due_at, max(?2, waits.asked_until)),  -- what it was asked to wait it waits
  first_failed_at = CASE WHEN waits.asked_until > ?2 THEN ?2 END  -- it was the receiver's failure: `hold` begins anew
FROM (
  SELECT d.seq AS seq, coalesce(a.ended_at + a.retry_after, 0) AS asked_until
  FROM deliveries AS d INDEXED BY deliveries_due LEFT JOIN attempts AS a ON a.receiver = d.receiver AND a.seq = d.seq
    AND a.number = (SELECT max(number) FROM attempts WHERE receiver = d.receiver AND seq = d.seq)
  WHERE d.receiver = ?1 AND d.state = 'pending' AND (d.due_at > ?2 OR d.first_failed_at IS NOT NULL)
    AND coalesce(a.ended_at, ?3) <= ?3) AS waits
WHERE deliveries.receiver = ?1 AND deliveries.seq = waits.seq"""
"""By a success that began at ?3: of what has failed since it says nothing."""

_UNENDED: Final = """
SELECT 'pending', count(*) FROM deliveries INDEXED BY deliveries_due
WHERE state = 'pending' AND receiver IN (SELECT value FROM json_each(?1))
UNION ALL SELECT 'dead', count(*) FROM deliveries INDEXED BY deliveries_dead
WHERE state = 'dead' AND receiver IN (SELECT value FROM json_each(?1))"""

_PRUNE: Final = """DELETE FROM deliveries WHERE (receiver, seq) IN (
  SELECT receiver, seq FROM deliveries WHERE state IN ('delivered', 'superseded') AND ended_at < ? LIMIT ?)"""

_PRUNED_AT_ONCE: Final = 1000
"""Deliveries; others want to write too."""

_FOR_EVER: Final = 2**61
"""Milliseconds; longer than SQLite's integers leave room for."""

T = TypeVar("T")


class Entry(NamedTuple):
    """An event that is to be logged; one that is `backfilled` is told to nobody."""

    event: Event
    job: str | None
    backfilled: bool = False


class Logged(NamedTuple):
    """The seq of the first event that was logged, the receivers that any of them goes to, and what was logged."""

    first_seq: int
    receivers: set[str]
    entries: Sequence[Entry]


class SqliteOutbox:
    """The `Outbox` of core.ports on SQLite."""

    def __init__(
        self,
        database: Database,
        subscriptions: Iterable[Subscription],
        notified: EventObserver = lambda _event, _backfilled: None,
    ) -> None:
        self._subscriptions = tuple(subscriptions)
        self._notified = notified
        self._database = database
        self._changed: dict[str, anyio.Event] = {}
        self._grown = anyio.Event()

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Have each event that is logged from now on become a delivery to those of `subscriptions` that it is for."""
        self._subscriptions = tuple(subscriptions)

    def changed(self, receiver: str) -> anyio.Event:
        return self._changed.setdefault(receiver, anyio.Event())

    def grown(self) -> anyio.Event:
        """What is set by the next commit that logs anything; ask for it before you look."""
        return self._grown

    def wake(self, receivers: Iterable[str]) -> None:
        """Tell the deliverers of `receivers` that something was committed for them."""
        for receiver in receivers:
            self._changed.pop(receiver, anyio.Event()).set()

    def committed(self, logged: Logged) -> None:
        """Tell everybody what was committed."""
        for entry in logged.entries:
            self._notified(entry.event, entry.backfilled)
        self.wake(logged.receivers)
        if logged.entries:
            self._grown.set()
            self._grown = anyio.Event()

    async def write(self, what: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """As the database's. Where the disk fails it all deliverers look again: COMMIT may have committed nevertheless."""
        try:
            return await self._database.write(what, work)
        except StorageError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                self.wake([*self._changed])
            raise

    def log(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> Logged:
        """Within a transaction: number events and insert them with their deliveries."""
        ((last_seq,),) = connection.execute("SELECT coalesce(max(seq), 0) FROM events")
        first_seq = last_seq + 1
        numbered = [
            Entry(msgspec.structs.replace(event, seq=seq), job, backfilled)
            for seq, (event, job, backfilled) in enumerate(entries, first_seq)
        ]
        connection.executemany(_INSERT_EVENT, map(_event_row, numbered))
        deliveries = list(_delivery_rows(self._subscriptions, (entry.event for entry in numbered if not entry.backfilled)))
        connection.executemany(_INSERT_DELIVERY, deliveries)
        connection.execute(_SUPERSEDE, (first_seq,))
        return Logged(first_seq, {receiver for receiver, *_ in deliveries}, numbered)

    async def circuit(self, receiver: str) -> Circuit:
        sql = "SELECT failures, since, quiet_until, asked_until, reason, detail, disabled FROM receivers WHERE name = ?"
        found = await self._database.fetch(sql, receiver)
        if not found:
            return Circuit()
        *state, disabled = found[0]
        return Circuit(**dict(zip(Circuit.__struct_fields__, (*state, bool(disabled)), strict=True)))

    async def claim(self, receiver: str, now: int, hold: float, limit: int, under_way: Collection[int]) -> list[Delivery]:
        held_since = now - _milliseconds(hold)
        return _deliveries(await self._database.fetch(_CLAIM, receiver, now, held_since, json.dumps([*under_way]), limit))

    async def gathered(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> list[Delivery]:
        held_since = now - _milliseconds(hold)
        return _deliveries(await self._database.fetch(_GATHERED, receiver, now, held_since, json.dumps([*under_way])))

    async def next_due(self, receiver: str, now: int, hold: float) -> int | None:
        held_for = _milliseconds(hold)
        ((at,),) = await self._database.fetch(_NEXT_DUE, receiver, now, now - held_for, held_for)
        return None if at is None else int(at)

    async def settle(
        self, receiver: str, settlements: Sequence[Settlement], circuit: Circuit, events: Sequence[Event] = ()
    ) -> set[int]:
        def work(connection: sqlite3.Connection) -> tuple[Logged, set[int]]:
            applied = {each.delivery.seq for each in settlements if connection.execute(_SETTLE, _settle_row(each)).rowcount}
            connection.executemany(_INSERT_ATTEMPT, map(_attempt_row, settlements))
            before = _failures(connection, receiver)
            connection.execute(_UPSERT_RECEIVER, (receiver, *msgspec.structs.astuple(circuit)))
            if before >= TRIP and not circuit.is_open:
                began_at = max(each.began_at for each in settlements if each.outcome.delivered)
                connection.execute(_RELEASE, (receiver, settlements[-1].ended_at, began_at))
            return self.log(connection, [Entry(event, None) for event in events]), applied

        logged, applied = await self.write("settling deliveries", work)
        self.committed(logged)
        self.wake([receiver])
        return applied

    async def rewind(self, receiver: str, now: int) -> int:
        delay = _milliseconds(max((each.delay for each in self._subscriptions if each.receiver == receiver), default=0.0))
        return await self.write("setting waits back", lambda connection: rewind(connection, receiver, now, delay))

    async def unended(self) -> dict[str, int]:
        """How many deliveries to those who are subscribed now are pending, and how many are dead."""
        receivers = json.dumps([subscription.receiver for subscription in self._subscriptions])
        return dict(await self._database.fetch(_UNENDED, receivers))

    async def prune(self, before: int) -> int:
        """Forget deliveries, with their attempts, that ended well before then (Unix milliseconds); how many they were."""
        pruned = 0
        while True:
            some = await self._database.write(
                "pruning deliveries", lambda connection: connection.execute(_PRUNE, (before, _PRUNED_AT_ONCE)).rowcount
            )
            pruned += some
            if some < _PRUNED_AT_ONCE:
                return pruned


def _failures(connection: sqlite3.Connection, receiver: str) -> int:
    rows = connection.execute("SELECT failures FROM receivers WHERE name = ?", (receiver,))
    return next((int(failures) for (failures,) in rows), 0)


def _delivery_rows(subscriptions: Iterable[Subscription], events: Iterable[Event]) -> Iterator[tuple[Any, ...]]:
    moment_of = cache(from_iso)  # what is recorded together was mostly observed together
    for event in events:
        for subscription in fan_out(subscriptions, event):
            due_at = moment_of(event.observed_at) + _milliseconds(subscription.delay)
            yield subscription.receiver, event.seq, stream_of(event), event.type, due_at


def _milliseconds(seconds: float) -> int:
    return _FOR_EVER if seconds * 1000 >= _FOR_EVER else round(seconds * 1000)


def _event_row(entry: Entry) -> tuple[Any, ...]:
    event = entry.event
    body = encode_event(event)
    return (
        event.seq, event.id, event.type, event.account, entry.job, event.created_at, event.observed_at, entry.backfilled, body
    )  # fmt: skip


def _deliveries(rows: Iterable[tuple[Any, ...]]) -> list[Delivery]:
    return [
        Delivery(
            receiver=receiver, seq=seq, event_id=id_, type=type_, stream=stream, attempts=attempts, body=body, replays=replays
        )
        for receiver, seq, id_, type_, stream, attempts, body, replays in rows
    ]


def _settle_row(settled: Settlement) -> tuple[Any, ...]:
    delivery, failed = settled.delivery, not settled.outcome.delivered
    return (
        delivery.receiver, delivery.seq, delivery.attempts + failed, settled.due_at, settled.state, settled.ended_at, failed,
        delivery.attempts, delivery.replays,
    )  # fmt: skip


def _attempt_row(settled: Settlement) -> tuple[Any, ...]:
    delivery, outcome = settled.delivery, settled.outcome
    return (
        delivery.receiver, delivery.seq, settled.began_at, settled.ended_at,
        outcome.result.value, outcome.status, outcome.detail, outcome.answer,
        None if outcome.retry_after is None else _milliseconds(outcome.retry_after),
    )  # fmt: skip
