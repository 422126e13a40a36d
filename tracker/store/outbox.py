"""Owns the outbox: deliveries written with their events, claimed in order, and settled with what became of them.

Nothing is written when a delivery is claimed. A process that dies while it sends leaves the delivery pending, and the next
one sends it again, with the same id and the same bytes.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aiosqlite
import anyio
import msgspec

from tracker.core.circuit import TRIP, Circuit
from tracker.core.delivery import Delivery, Settlement
from tracker.core.event import Event, from_iso
from tracker.core.fanout import Subscription, fan_out, stream_of
from tracker.core.ports import StorageError
from tracker.store.connection import Database
from tracker.store.rewind import rewind

_INSERT_EVENT: Final = """
INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_INSERT_DELIVERY: Final = """
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at) VALUES (?, ?, ?, ?, 'pending', 0, ?)"""

_SUPERSEDE: Final = """
UPDATE deliveries INDEXED BY deliveries_stream SET state = 'superseded', ended_at = ?4
WHERE receiver = ?1 AND stream = ?2 AND seq < ?3 AND state = 'pending' AND type = 'batch.progress'"""

_SELECT: Final = """SELECT d.receiver, d.seq, e.id, d.type, d.stream, d.attempts, e.body
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
  AND (?5 = 'delivered' OR attempts = ?8)  -- a failure of before a replay is nothing to the delivery that starts anew"""

_INSERT_ATTEMPT: Final = """
INSERT INTO attempts (receiver, seq, number, began_at, ended_at, result, status, detail, answer)
SELECT ?1, ?2, coalesce(max(number), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8 FROM attempts WHERE receiver = ?1 AND seq = ?2"""

_UPSERT_RECEIVER: Final = """
INSERT INTO receivers (name, failures, since, quiet_until, reason, detail, disabled) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, since = excluded.since, quiet_until = excluded.quiet_until,
  reason = excluded.reason, detail = excluded.detail, disabled = excluded.disabled"""

_RELEASE: Final = """
UPDATE deliveries INDEXED BY deliveries_due
SET due_at = min(due_at, ?2), first_failed_at = NULL  -- it was the receiver's failure: `hold` begins anew
WHERE receiver = ?1 AND state = 'pending' AND (due_at > ?2 OR first_failed_at IS NOT NULL)"""

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


Told = Callable[[Event, bool], None]
"""Told each event once it is committed, in the log's order, and whether it was backfilled."""


class SqliteOutbox:
    """The `Outbox` of core.ports on SQLite."""

    def __init__(
        self, database: Database, subscriptions: Iterable[Subscription], told: Told = lambda _event, _backfilled: None
    ) -> None:
        self._subscriptions = tuple(subscriptions)
        self._told = told
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
            self._told(entry.event, entry.backfilled)
        self.wake(logged.receivers)
        if logged.entries:
            self._grown.set()
            self._grown = anyio.Event()

    @asynccontextmanager
    async def transaction(self, what: str) -> AsyncIterator[aiosqlite.Connection]:
        """As the database's. Where the disk fails it all deliverers look again: COMMIT may have committed nevertheless."""
        try:
            async with self._database.transaction(what) as connection:
                yield connection
        except StorageError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                self.wake([*self._changed])
            raise

    async def log(self, connection: aiosqlite.Connection, entries: Sequence[Entry]) -> "Logged":
        """Within a transaction: number events and insert them with their deliveries."""
        rows = await connection.execute_fetchall("SELECT coalesce(max(seq), 0) FROM events")
        first_seq = int(next(iter(rows))[0]) + 1
        numbered = [
            entry._replace(event=msgspec.structs.replace(entry.event, seq=seq)) for seq, entry in enumerate(entries, first_seq)
        ]
        await connection.executemany(_INSERT_EVENT, map(_event_row, numbered))
        deliveries = [row for entry in numbered if not entry.backfilled for row in self._delivery_rows(entry.event)]
        if deliveries:
            await connection.executemany(_INSERT_DELIVERY, deliveries)
            superseding = [(receiver, stream, seq, due_at) for receiver, seq, stream, _, due_at in deliveries]
            await connection.executemany(_SUPERSEDE, superseding)
        return Logged(first_seq, {receiver for receiver, *_ in deliveries}, numbered)

    async def circuit(self, receiver: str) -> Circuit:
        sql = "SELECT failures, since, quiet_until, reason, detail, disabled FROM receivers WHERE name = ?"
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
    ) -> None:
        async with self.transaction("settling deliveries") as connection:
            await connection.executemany(_SETTLE, map(_settle_row, settlements))
            await connection.executemany(_INSERT_ATTEMPT, map(_attempt_row, settlements))
            before = await self._failures(connection, receiver)
            await connection.execute(_UPSERT_RECEIVER, (receiver, *msgspec.structs.astuple(circuit)))
            if before >= TRIP and not circuit.is_open:
                await connection.execute(_RELEASE, (receiver, settlements[-1].ended_at))
            logged = await self.log(connection, [Entry(event, None) for event in events])
        self.committed(logged)
        self.wake([receiver])

    async def rewind(self, receiver: str, now: int) -> int:
        delays = [each.delay for each in self._subscriptions if each.receiver == receiver]
        async with self.transaction("setting waits back") as connection:
            return await rewind(connection, receiver, now, _milliseconds(max(delays, default=0.0)))

    async def unended(self) -> dict[str, int]:
        """How many deliveries to those who are subscribed now are pending, and how many are dead."""
        receivers = json.dumps([subscription.receiver for subscription in self._subscriptions])
        return dict(await self._database.fetch(_UNENDED, receivers))

    async def prune(self, before: int) -> int:
        """Forget deliveries, with their attempts, that ended well before then (Unix milliseconds); how many they were."""
        pruned = 0
        while True:
            async with self._database.transaction("pruning deliveries") as connection:
                cursor = await connection.execute(_PRUNE, (before, _PRUNED_AT_ONCE))
            pruned += cursor.rowcount
            if cursor.rowcount < _PRUNED_AT_ONCE:
                return pruned

    async def _failures(self, connection: aiosqlite.Connection, receiver: str) -> int:
        rows = await connection.execute_fetchall("SELECT failures FROM receivers WHERE name = ?", (receiver,))
        return next((int(failures) for (failures,) in rows), 0)

    def _delivery_rows(self, event: Event) -> Iterator[tuple[Any, ...]]:
        observed_at = from_iso(event.observed_at)
        for subscription in fan_out(self._subscriptions, event):
            due_at = observed_at + _milliseconds(subscription.delay)
            yield subscription.receiver, event.seq, stream_of(event), event.type, due_at


def _milliseconds(seconds: float) -> int:
    return _FOR_EVER if seconds * 1000 >= _FOR_EVER else round(seconds * 1000)


def _event_row(entry: Entry) -> tuple[Any, ...]:
    event = entry.event
    body = msgspec.json.encode(event).decode()
    return (
        event.seq, event.id, event.type, event.account, entry.job, event.created_at, event.observed_at, entry.backfilled, body
    )  # fmt: skip


def _deliveries(rows: Iterable[tuple[Any, ...]]) -> list[Delivery]:
    return [
        Delivery(receiver=receiver, seq=seq, event_id=id_, type=type_, stream=stream, attempts=attempts, body=body)
        for receiver, seq, id_, type_, stream, attempts, body in rows
    ]


def _settle_row(settled: Settlement) -> tuple[Any, ...]:
    delivery, failed = settled.delivery, not settled.outcome.delivered
    return (
        delivery.receiver, delivery.seq, delivery.attempts + failed, settled.due_at, settled.state, settled.ended_at, failed,
        delivery.attempts,
    )  # fmt: skip


def _attempt_row(settled: Settlement) -> tuple[Any, ...]:
    delivery, outcome = settled.delivery, settled.outcome
    return (
        delivery.receiver, delivery.seq, settled.began_at, settled.ended_at,
        outcome.result.value, outcome.status, outcome.detail, outcome.answer,
    )  # fmt: skip
