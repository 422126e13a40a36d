"""Owns the outbox: deliveries claimed in order, and settled with the outcome of their attempts.

Nothing is written when a delivery is claimed. A process that dies while it sends leaves the delivery pending, and the next
one sends it again, with the same id and the same bytes.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.dead_letters import Waiting
from tracker.core.deliveries.delivery import Delivery, Settlement
from tracker.core.ports.outbox import Report, Rest
from tracker.core.ports.wakeups import Wakeups
from tracker.store.records.duration_conversion import milliseconds
from tracker.store.records.log_rows import Appended, LogEntry
from tracker.store.records.stored_events import STORED_EVENT, StoredEvent
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.writing.clock_rollback import roll_back_clock
from tracker.store.sqlite.writing.event_log import EventLog

_SELECT: Final = f"""SELECT d.receiver, d.type, d.stream, d.attempts, d.replays, {STORED_EVENT}
FROM deliveries AS d INDEXED BY deliveries_due CROSS JOIN events AS e ON e.seq = d.seq"""  # noqa: S608 - of constants
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

_DIGEST_CANDIDATES: Final = f"""{_SELECT}
WHERE d.receiver = ?1 AND d.state = 'pending' AND (d.attempts = 0 OR d.due_at <= ?2)
  AND NOT EXISTS (  -- an earlier one of the stream that stays behind
    SELECT 1 FROM deliveries AS earlier INDEXED BY deliveries_stream
    WHERE earlier.receiver = d.receiver AND earlier.stream = d.stream AND earlier.seq < d.seq AND earlier.state = 'pending'
      AND (earlier.attempts > 0 AND earlier.due_at > ?2 AND earlier.first_failed_at > ?3
           OR earlier.seq IN (SELECT value FROM json_each(?4))))
  AND d.seq NOT IN (SELECT value FROM json_each(?4))
ORDER BY d.seq"""  # noqa: S608 - of constants

_REST: Final = """SELECT NOT EXISTS (
  SELECT 1 FROM deliveries INDEXED BY deliveries_due
  WHERE receiver = ?1 AND state = 'pending' AND seq NOT IN (SELECT value FROM json_each(?5))),
(SELECT min(at) FROM (
  SELECT min(due_at) AS at FROM deliveries WHERE receiver = ?1 AND state = 'pending' AND due_at > ?2
  UNION ALL
  SELECT min(first_failed_at) + ?4 FROM deliveries INDEXED BY deliveries_due
  WHERE receiver = ?1 AND state = 'pending' AND first_failed_at > ?3))"""

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
  due_at = min(due_at, max(?2, waits.asked_until)),  -- a `Retry-After` stands
  first_failed_at = CASE WHEN waits.asked_until > ?2 THEN ?2 END  -- it was the receiver's failure: `hold` begins again
FROM (
  SELECT d.seq AS seq, coalesce(a.ended_at + a.retry_after, 0) AS asked_until
  FROM deliveries AS d INDEXED BY deliveries_due LEFT JOIN attempts AS a ON a.receiver = d.receiver AND a.seq = d.seq
    AND a.number = (SELECT max(number) FROM attempts WHERE receiver = d.receiver AND seq = d.seq)
  WHERE d.receiver = ?1 AND d.state = 'pending' AND (d.due_at > ?2 OR d.first_failed_at IS NOT NULL)
    AND coalesce(a.ended_at, ?3) <= ?3) AS waits
WHERE deliveries.receiver = ?1 AND deliveries.seq = waits.seq"""
"""By a success that began at ?3; what has failed since then is not released."""

_WAITING: Final = """
SELECT attempts, min(due_at), count(*) FROM deliveries INDEXED BY deliveries_due
WHERE receiver = ? AND state = 'pending' GROUP BY attempts"""

_OPEN: Final = """
SELECT 'pending', count(*) FROM deliveries INDEXED BY deliveries_due
WHERE state = 'pending' AND receiver IN (SELECT value FROM json_each(?1))
UNION ALL SELECT 'dead', count(*) FROM deliveries INDEXED BY deliveries_dead
WHERE state = 'dead' AND receiver IN (SELECT value FROM json_each(?1))"""


class SqliteOutbox:
    """The `Outbox` of core.ports on SQLite."""

    def __init__(self, database: Database, log: EventLog, wakeups: Wakeups) -> None:
        self._database = database
        self._log = log
        self._wakeups = wakeups

    async def circuit(self, receiver: str) -> Circuit:
        sql = "SELECT failures, since, quiet_until, asked_until, reason, detail, disabled FROM receivers WHERE name = ?"
        found = await self._database.fetch(sql, receiver)
        if not found:
            return Circuit()
        return decode_circuit(found[0])

    async def claim(self, receiver: str, now: int, hold: float, limit: int, under_way: Collection[int]) -> list[Delivery]:
        held_since = now - milliseconds(hold)
        return _deliveries(await self._database.fetch(_CLAIM, receiver, now, held_since, json.dumps([*under_way]), limit))

    async def digest_candidates(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> list[Delivery]:
        held_since = now - milliseconds(hold)
        return _deliveries(await self._database.fetch(_DIGEST_CANDIDATES, receiver, now, held_since, json.dumps([*under_way])))

    async def rest(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> Rest:
        held_for, sent = milliseconds(hold), json.dumps([*under_way])
        ((is_empty, next_due),) = await self._database.fetch(_REST, receiver, now, now - held_for, held_for, sent)
        return Rest(bool(is_empty), next_due)

    async def waiting(self, receiver: str) -> list[Waiting]:
        return [Waiting(*row) for row in await self._database.fetch(_WAITING, receiver)]

    async def settle(
        self, receiver: str, settlements: Sequence[Settlement], circuit: Circuit, report: Report | None = None
    ) -> set[int]:
        def work(connection: sqlite3.Connection) -> tuple[Appended, set[int]]:
            applied = {each.delivery.seq for each in settlements if connection.execute(_SETTLE, _settle_row(each)).rowcount}
            connection.executemany(_INSERT_ATTEMPT, map(_attempt_row, settlements))
            before = _failures(connection, receiver)
            connection.execute(_UPSERT_RECEIVER, (receiver, *msgspec.structs.astuple(circuit)))
            if before >= FAILURES_TO_OPEN and not circuit.is_open:
                began_at = max(each.began_at for each in settlements if each.outcome.delivered)
                connection.execute(_RELEASE, (receiver, settlements[-1].ended_at, began_at))
            events = report([Waiting(*row) for row in connection.execute(_WAITING, (receiver,))]) if report else ()
            return self._log.append(connection, [LogEntry(event, None) for event in events]), applied

        appended, applied = await self._log.write("settling deliveries", work)
        self._log.committed(appended)
        self._wakeups.attempts_changed(receiver)
        return applied

    async def roll_back_clock(self, receiver: str, now: int) -> int:
        delay = milliseconds(max((each.delay for each in self._log.subscriptions if each.receiver == receiver), default=0.0))
        return await self._log.write("setting waits back", lambda connection: roll_back_clock(connection, receiver, now, delay))

    async def count_open(self) -> dict[str, int]:
        """How many deliveries to the subscribed receivers are pending, and how many are dead."""
        receivers = json.dumps([subscription.receiver for subscription in self._log.subscriptions])
        return dict(await self._database.fetch(_OPEN, receivers))


def decode_circuit(row: Sequence[Any]) -> Circuit:
    """The circuit of a row of its fields."""
    *state, disabled = row
    return Circuit(**dict(zip(Circuit.__struct_fields__, (*state, bool(disabled)), strict=True)))


def _failures(connection: sqlite3.Connection, receiver: str) -> int:
    rows = connection.execute("SELECT failures FROM receivers WHERE name = ?", (receiver,))
    return next((int(failures) for (failures,) in rows), 0)


def _deliveries(rows: Iterable[tuple[Any, ...]]) -> list[Delivery]:
    return [_delivery(StoredEvent(*event), *delivery) for *delivery, event in ((*row[:5], row[5:]) for row in rows)]


def _delivery(event: StoredEvent, receiver: str, type_: str, stream: str, attempts: int, replays: int) -> Delivery:
    id_, body = event.whole()
    return Delivery(
        receiver=receiver, seq=event.seq, event_id=id_, type=type_, stream=stream, attempts=attempts, body=body, replays=replays
    )


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
        None if outcome.retry_after is None else milliseconds(outcome.retry_after),
    )  # fmt: skip
