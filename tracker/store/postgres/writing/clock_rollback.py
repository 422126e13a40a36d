"""Owns the adjustment of waits when the clock is set back: a wait that began later than now begins now.

So nothing waits longer than twice its time. A wait begins when the last attempt ended, by the clock of that moment. A wait
that would end before that moment was adjusted before, at a time that is not kept: it ends now.

Replicas estimate the server's clock, each a little differently: what one has just begun, another may see begin in a moment.
"""

from typing import Final

import asyncpg

from tracker.store.postgres.database.command_status import rows_changed
from tracker.store.postgres.database.text_escape import encode_text
from tracker.store.postgres.writing.bounded_statements import execute_in_batches
from tracker.store.postgres.writing.receivers_table import lock_receiver

_SMALLEST_STEP: Final = 1000
"""Milliseconds; two estimates of the server's clock differ by less."""

_TRIED: Final = """
WITH waits AS (
  SELECT d.seq, a.ended_at AS began_at FROM deliveries AS d
  CROSS JOIN LATERAL (
    SELECT ended_at FROM attempts WHERE receiver = d.receiver AND seq = d.seq ORDER BY number DESC LIMIT 1) AS a
  WHERE d.receiver = $1 AND d.state = 'pending' AND d.due_at > $2 AND d.attempts > 0 AND a.ended_at > $3
  ORDER BY d.seq FOR UPDATE OF d)
UPDATE deliveries SET due_at = $2 + greatest(0, due_at - waits.began_at),
  first_failed_at = CASE WHEN first_failed_at > $2 THEN $2 ELSE first_failed_at END
FROM waits
WHERE deliveries.receiver = $1 AND deliveries.seq = ANY (ARRAY(SELECT seq FROM waits)) AND deliveries.seq = waits.seq"""

_NEVER_TRIED: Final = """
WITH waits AS (
  SELECT seq FROM deliveries WHERE receiver = $1 AND state = 'pending' AND due_at > $3 AND attempts = 0
  ORDER BY seq LIMIT $4 FOR UPDATE)
UPDATE deliveries SET due_at = $2 WHERE receiver = $1 AND seq = ANY (ARRAY(SELECT seq FROM waits))"""

_LAST_ATTEMPT: Final = "SELECT max(ended_at) FROM attempts WHERE receiver = $1"

_CIRCUIT: Final = """
UPDATE receivers SET since = CASE WHEN since > $2 THEN $2 ELSE since END,
  quiet_until = CASE WHEN $3::bigint > $2 THEN $2 + greatest(0, quiet_until - $3::bigint) ELSE quiet_until END,
  asked_until = CASE WHEN $3::bigint > $2 THEN $2 + greatest(0, asked_until - $3::bigint) ELSE asked_until END
WHERE name = $1"""


async def roll_back_clock(connection: asyncpg.Connection, receiver: str, now: int, delay: int) -> int:
    """Within a transaction: adjust the waits of `receiver` to a clock that was set back; how many deliveries had one.

    `now` is Unix milliseconds, `delay` how many of them an event waits before its first attempt.
    """
    name, circuit = encode_text(receiver), (await lock_receiver(connection, receiver)).circuit
    soon = now + _SMALLEST_STEP
    tried = await connection.execute(_TRIED, name, now, soon)
    never_tried = await execute_in_batches(connection, _NEVER_TRIED, name, now + delay, soon + delay)
    if (circuit.since or 0) > now or circuit.quiet_until > now:
        await connection.execute(_CIRCUIT, name, now, await connection.fetchval(_LAST_ATTEMPT, name))
    return rows_changed(tried) + never_tried
