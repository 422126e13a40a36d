"""Owns the outbox on PostgreSQL: deliveries claimed in order, and settled with the outcome of their attempts.

Nothing is written when a delivery is claimed. A process that dies while it sends leaves the delivery pending, and the next
holder of the receiver's lease sends it again, with the same id and the same bytes.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.dead_letters import Waiting
from tracker.core.deliveries.delivery import Delivery, Settlement
from tracker.core.ports.outbox import Report, Rest
from tracker.core.ports.wakeups import Wakeups
from tracker.core.replicas.lease import receiver_lease
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.postgres.writing.clock_rollback import roll_back_clock
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.postgres.writing.receivers_table import CIRCUIT, ReceiverRow, decode_receiver, lock_receiver
from tracker.store.postgres.writing.settling import release, settle_attempts
from tracker.store.records.duration_conversion import milliseconds
from tracker.store.records.log_rows import Appended, LogEntry
from tracker.store.records.stored_events import STORED_EVENT, StoredEvent

_WITH_EVENTS: Final = f"""
SELECT d.type, d.stream, d.attempts, d.replays, {STORED_EVENT}
FROM due AS d CROSS JOIN LATERAL (SELECT * FROM events WHERE seq = d.seq OFFSET 0) AS e"""  # noqa: S608 - of constants
"""OFFSET 0, here and below, has each row looked up by an index; left to itself PostgreSQL may read a whole table instead."""

_CLAIM: Final = f"""
WITH superseded AS MATERIALIZED (  -- while they are under way
  SELECT stream, seq FROM deliveries WHERE receiver = $1 AND seq = ANY ($4::bigint[]) AND state = 'superseded'
), due AS (
  SELECT seq, type, stream, attempts, replays, due_at FROM deliveries AS d
  WHERE receiver = $1 AND state = 'pending' AND due_at <= $2
    AND NOT EXISTS (  -- an earlier one of the stream that is due itself, or has not been retried for `hold` yet
      SELECT FROM deliveries AS earlier
      WHERE earlier.receiver || '/' || earlier.stream = d.receiver || '/' || d.stream AND earlier.seq < d.seq
        AND earlier.receiver IS NOT DISTINCT FROM d.receiver AND earlier.state = 'pending'  -- by the index of that expression
        AND (earlier.first_failed_at IS NULL OR earlier.first_failed_at > $3 OR earlier.due_at <= $2) OFFSET 0)
    AND NOT EXISTS (SELECT FROM superseded AS earlier WHERE earlier.stream = d.stream AND earlier.seq < d.seq)
    AND seq <> ALL ($4::bigint[])
  ORDER BY due_at, seq LIMIT $5
) {_WITH_EVENTS} ORDER BY d.due_at, d.seq"""  # noqa: S608 - of constants

_DIGEST_CANDIDATES: Final = f"""
WITH due AS (
  SELECT seq, type, stream, attempts, replays FROM deliveries AS d
  WHERE receiver = $1 AND state = 'pending' AND (attempts = 0 OR due_at <= $2)
    AND NOT EXISTS (  -- an earlier one of the stream that stays behind
      SELECT FROM deliveries AS earlier
      WHERE earlier.receiver || '/' || earlier.stream = d.receiver || '/' || d.stream AND earlier.seq < d.seq
        AND earlier.receiver IS NOT DISTINCT FROM d.receiver AND earlier.state = 'pending'  -- by the index of that expression
        AND (earlier.attempts > 0 AND earlier.due_at > $2 AND earlier.first_failed_at > $3
             OR earlier.seq = ANY ($4::bigint[])) OFFSET 0)
    AND seq <> ALL ($4::bigint[])
) {_WITH_EVENTS} ORDER BY d.seq"""  # noqa: S608 - of constants

_REST: Final = """
SELECT NOT EXISTS (SELECT FROM deliveries WHERE receiver = $1 AND state = 'pending' AND seq <> ALL ($5::bigint[])), least(
  (SELECT min(due_at) FROM deliveries WHERE receiver = $1 AND state = 'pending' AND due_at > $2),
  (SELECT min(first_failed_at) + $4 FROM deliveries WHERE receiver = $1 AND state = 'pending' AND first_failed_at > $3))"""

_WAITING: Final = """
SELECT attempts, min(due_at), count(*) FROM deliveries WHERE receiver = $1 AND state = 'pending' GROUP BY attempts"""

_OPEN: Final = """
SELECT 'pending', count(*) FROM deliveries WHERE state = 'pending' AND receiver = ANY ($1::text[])
UNION ALL SELECT 'dead', count(*) FROM deliveries WHERE state = 'dead' AND receiver = ANY ($1::text[])"""


class _Settled(NamedTuple):
    """What a transaction has settled; `applied` is None if it committed nothing."""

    applied: set[int] | None
    appended: Appended | None = None


class PostgresOutbox:
    """The `Outbox` of core.ports on PostgreSQL."""

    def __init__(self, database: Database, log: EventLog, wakeups: Wakeups) -> None:
        self._database = database
        self._log = log
        self._wakeups = wakeups
        self._commands: dict[str, int] = {}  # of each receiver, when its circuit was read last

    async def circuit(self, receiver: str) -> Circuit:
        found = await self._database.fetch(CIRCUIT, encode_text(receiver))
        row = decode_receiver(found[0]) if found else ReceiverRow(Circuit(), 0)
        self._commands[receiver] = row.commands
        return row.circuit

    async def claim(self, receiver: str, now: int, hold: float, limit: int, under_way: Collection[int]) -> list[Delivery]:
        held_since = now - milliseconds(hold)
        rows = await self._database.fetch(_CLAIM, encode_text(receiver), now, held_since, [*under_way], limit)
        return _deliveries(receiver, rows)

    async def digest_candidates(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> list[Delivery]:
        held_since = now - milliseconds(hold)
        rows = await self._database.fetch(_DIGEST_CANDIDATES, encode_text(receiver), now, held_since, [*under_way])
        return _deliveries(receiver, rows)

    async def rest(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> Rest:
        held_for, name = milliseconds(hold), encode_text(receiver)
        ((is_empty, next_due),) = await self._database.fetch(_REST, name, now, now - held_for, held_for, [*under_way])
        return Rest(is_empty, next_due)

    async def waiting(self, receiver: str) -> list[Waiting]:
        return _waiting(await self._database.fetch(_WAITING, encode_text(receiver)))

    async def settle(
        self, receiver: str, settlements: Sequence[Settlement], circuit: Circuit, report: Report | None = None
    ) -> set[int] | None:
        async def work(connection: asyncpg.Connection) -> _Settled:
            if report:
                await self._log.lock_head(connection)
            before = await lock_receiver(connection, receiver)
            if before.commands != self._commands.get(receiver, before.commands):
                return _Settled(applied=None)
            applied = await settle_attempts(connection, receiver, settlements, circuit)
            if before.circuit.failures >= FAILURES_TO_OPEN and not circuit.is_open:
                await release(connection, receiver, settlements)
            events = report(_waiting(await connection.fetch(_WAITING, encode_text(receiver)))) if report else ()
            return _Settled(applied, await self._log.append(connection, [LogEntry(event, None) for event in events]))

        settled = await self._log.write("settling deliveries", work, lease=receiver_lease(receiver))
        if settled.appended:
            self._log.committed(settled.appended)
        self._wakeups.attempts_changed(receiver)
        return settled.applied

    async def roll_back_clock(self, receiver: str, now: int) -> int:
        delay = milliseconds(max((each.delay for each in self._log.subscriptions if each.receiver == receiver), default=0.0))

        async def work(connection: asyncpg.Connection) -> int:
            return await roll_back_clock(connection, receiver, now, delay)

        return await self._log.write("setting waits back", work, lease=receiver_lease(receiver))

    async def count_open(self) -> dict[str, int]:
        """How many deliveries to the subscribed receivers are pending, and how many are dead."""
        receivers = [encode_text(subscription.receiver) for subscription in self._log.subscriptions]
        return dict(await self._database.fetch(_OPEN, receivers))


def _waiting(rows: Iterable[Any]) -> list[Waiting]:
    return [Waiting(*row) for row in rows]


def _deliveries(receiver: str, rows: Iterable[Any]) -> list[Delivery]:
    return [_delivery(receiver, *row) for row in rows]


def _delivery(receiver: str, type_: str, stream: str, attempts: int, replays: int, *event: Any) -> Delivery:
    seq, id_, account, *others = event
    id_, body = StoredEvent(seq, decode_text(id_), decode_text(account), *others).whole()
    return Delivery(
        receiver=receiver,
        seq=seq,
        event_id=id_,
        type=type_,
        stream=decode_text(stream),
        attempts=attempts,
        body=body,
        replays=replays,
    )
