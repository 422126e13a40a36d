"""Owns writing what attempts came to: their deliveries, the attempts themselves, and the receiver's circuit."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Settlement
from tracker.store.postgres.database.text_escape import encode_text
from tracker.store.records.duration_conversion import milliseconds

_LOCK: Final = "SELECT FROM deliveries WHERE receiver = $1 AND seq = ANY ($2::bigint[]) ORDER BY seq FOR UPDATE"
"""In one order, as every statement that changes several deliveries has it: so that two of them never wait for each other."""

_SETTLE: Final = """
WITH settled AS (
  SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::bigint[]) WITH ORDINALITY
    AS s (seq, began_at, ended_at, state, due_at, failed, attempts, replays, result, status, detail, answer, retry_after, nth)
), applied AS (
  UPDATE deliveries AS d SET attempts = s.attempts + s.failed, due_at = s.due_at,
    state = CASE WHEN d.state = 'superseded' AND s.state = 'pending' THEN d.state ELSE s.state END,
    ended_at = CASE WHEN s.state = 'pending' THEN d.ended_at ELSE s.ended_at END,
    first_failed_at = CASE WHEN s.failed = 1 THEN coalesce(d.first_failed_at, s.ended_at) ELSE d.first_failed_at END
  FROM settled AS s
  WHERE d.receiver = $1 AND d.seq = ANY ($2::bigint[]) AND d.seq = s.seq AND d.state IN ('pending', 'superseded')
    AND (s.state = 'delivered' OR (d.attempts = s.attempts AND d.replays = s.replays))  -- else it failed before a replay
  RETURNING d.seq
), attempted AS (
  INSERT INTO attempts (receiver, seq, number, began_at, ended_at, result, status, detail, answer, retry_after)
  SELECT $1, s.seq, row_number() OVER (PARTITION BY s.seq ORDER BY s.nth)
      + (SELECT coalesce(max(number), 0) FROM attempts WHERE receiver = $1 AND seq = s.seq),
    s.began_at, s.ended_at, s.result, s.status, s.detail, s.answer, s.retry_after
  FROM settled AS s
  WHERE s.seq IN (  -- it may have been pruned, moved or dropped
    SELECT seq FROM deliveries WHERE receiver = $1 AND seq = ANY ($2::bigint[]))
), receiver AS (
  UPDATE receivers SET (failures, since, quiet_until, asked_until, reason, detail, disabled)
    = ($15::bigint, $16::bigint, $17::bigint, $18::bigint, $19::text, $20::text, $21::boolean) WHERE name = $1
)
SELECT seq FROM applied"""
"""The condition on $2, here and with others below, has the rows found by their index; it changes nothing of the result."""

_RELEASE: Final = """
WITH waits AS (
  SELECT d.seq, coalesce(a.ended_at + a.retry_after, 0) AS asked_until
  FROM deliveries AS d LEFT JOIN LATERAL (
    SELECT ended_at, retry_after FROM attempts WHERE receiver = d.receiver AND seq = d.seq ORDER BY number DESC LIMIT 1
  ) AS a ON true
  WHERE d.receiver = $1 AND d.state = 'pending' AND (d.due_at > $2 OR d.first_failed_at IS NOT NULL)
    AND coalesce(a.ended_at, $3) <= $3
  ORDER BY d.seq FOR UPDATE OF d)
UPDATE deliveries SET
  due_at = least(due_at, greatest($2, waits.asked_until)),  -- a `Retry-After` stands
  first_failed_at = CASE WHEN waits.asked_until > $2 THEN $2 END  -- it was the receiver's failure: `hold` begins again
FROM waits
WHERE deliveries.receiver = $1 AND deliveries.seq = ANY (ARRAY(SELECT seq FROM waits)) AND deliveries.seq = waits.seq"""
"""By a success that began at $3; what has failed since then is not released."""


async def settle_attempts(
    connection: asyncpg.Connection, receiver: str, settlements: Sequence[Settlement], circuit: Circuit
) -> set[int]:
    """Within a transaction that has the receiver locked: settle; returns the seqs of the deliveries that stand as settled."""
    name, rows = encode_text(receiver), [*map(_settlement_row, settlements)]
    columns = [*zip(*rows, strict=True)] or [()] * 13
    await connection.execute(_LOCK, name, columns[0])
    found = await connection.fetch(_SETTLE, name, *columns, *_circuit_row(circuit))
    return {seq for (seq,) in found}


async def release(connection: asyncpg.Connection, receiver: str, settlements: Sequence[Settlement]) -> None:
    """Within the transaction that closes the receiver's circuit: what waits is due now, and its hold begins again."""
    began_at = max(each.began_at for each in settlements if each.outcome.delivered)
    await connection.execute(_RELEASE, encode_text(receiver), settlements[-1].ended_at, began_at)


def _settlement_row(settled: Settlement) -> tuple[Any, ...]:
    delivery, outcome = settled.delivery, settled.outcome
    return (
        delivery.seq, settled.began_at, settled.ended_at, settled.state, settled.due_at, int(not outcome.delivered),
        delivery.attempts, delivery.replays, outcome.result.value, outcome.status,
        encode_text(outcome.detail), encode_text(outcome.answer),
        None if outcome.retry_after is None else milliseconds(outcome.retry_after),
    )  # fmt: skip


def _circuit_row(circuit: Circuit) -> tuple[Any, ...]:
    row = msgspec.structs.astuple(circuit)
    return tuple(encode_text(value) if isinstance(value, str) else value for value in row)
