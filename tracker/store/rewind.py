"""Owns what a clock that was set back makes of waits: one that began later than now begins now.

So nothing waits longer than twice what was meant. Attempts keep the times that the clock said; a wait that ends before the
last of them did has begun anew already.
"""

import sqlite3
from typing import Final

_TRIED: Final = """
UPDATE deliveries SET due_at = due_at - began_at + ?2, first_failed_at = min(first_failed_at, ?2)
FROM (
  SELECT d.seq AS seq, max(a.ended_at) AS began_at
  FROM deliveries AS d INDEXED BY deliveries_due JOIN attempts AS a USING (receiver, seq)
  WHERE d.receiver = ?1 AND d.state = 'pending' AND d.due_at > ?2 AND d.attempts > 0
  GROUP BY d.seq HAVING max(a.ended_at) BETWEEN ?2 + 1 AND d.due_at) AS waits
WHERE deliveries.receiver = ?1 AND deliveries.seq = waits.seq"""

_NEVER_TRIED: Final = """
UPDATE deliveries INDEXED BY deliveries_due SET due_at = ?2 + ?3
WHERE receiver = ?1 AND state = 'pending' AND due_at > ?2 + ?3 AND attempts = 0"""

_CIRCUIT: Final = """
UPDATE receivers SET since = min(since, ?2),
  quiet_until = coalesce((
    SELECT quiet_until - max(ended_at) + ?2 FROM attempts WHERE receiver = ?1 GROUP BY receiver
    HAVING max(ended_at) BETWEEN ?2 + 1 AND quiet_until), quiet_until)
WHERE name = ?1 AND (since > ?2 OR quiet_until > ?2)"""


def rewind(connection: sqlite3.Connection, receiver: str, now: int, delay: int) -> int:
    """Within a transaction: have nothing of `receiver` wait for what is over; how many deliveries that concerns.

    `now` is Unix milliseconds, `delay` how many of them an event waits before its first attempt.
    """
    tried = connection.execute(_TRIED, (receiver, now))
    never_tried = connection.execute(_NEVER_TRIED, (receiver, now, delay))
    connection.execute(_CIRCUIT, (receiver, now))
    return tried.rowcount + never_tried.rowcount
