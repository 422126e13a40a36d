"""Owns the adjustment of waits when the clock is set back: a wait that began later than now begins now.

So nothing waits longer than twice its time. A wait begins when the last attempt ended, by the clock of that moment. A wait
that would end before that moment was adjusted before, at a time that is not kept: it ends now.
"""

import sqlite3
from typing import Final

_TRIED: Final = """
UPDATE deliveries SET due_at = ?2 + max(0, due_at - began_at), first_failed_at = min(first_failed_at, ?2)
FROM (
  SELECT d.seq AS seq, a.ended_at AS began_at
  FROM deliveries AS d INDEXED BY deliveries_due JOIN attempts AS a USING (receiver, seq)
  WHERE d.receiver = ?1 AND d.state = 'pending' AND d.due_at > ?2 AND d.attempts > 0 AND a.ended_at > ?2
    AND a.number = (SELECT max(number) FROM attempts WHERE receiver = d.receiver AND seq = d.seq)) AS waits
WHERE deliveries.receiver = ?1 AND deliveries.seq = waits.seq"""

_NEVER_TRIED: Final = """
UPDATE deliveries INDEXED BY deliveries_due SET due_at = ?2 + ?3
WHERE receiver = ?1 AND state = 'pending' AND due_at > ?2 + ?3 AND attempts = 0"""

_CIRCUIT: Final = """
UPDATE receivers SET since = min(since, ?2),
  quiet_until = CASE WHEN last.ended_at > ?2 THEN ?2 + max(0, quiet_until - last.ended_at) ELSE quiet_until END,
  asked_until = CASE WHEN last.ended_at > ?2 THEN ?2 + max(0, asked_until - last.ended_at) ELSE asked_until END
FROM (SELECT max(ended_at) AS ended_at FROM attempts WHERE receiver = ?1) AS last
WHERE name = ?1 AND (since > ?2 OR quiet_until > ?2)"""


def roll_back_clock(connection: sqlite3.Connection, receiver: str, now: int, delay: int) -> int:
    """Within a transaction: adjust the waits of `receiver` to a clock that was set back; how many deliveries had one.

    `now` is Unix milliseconds, `delay` how many of them an event waits before its first attempt.
    """
    tried = connection.execute(_TRIED, (receiver, now))
    never_tried = connection.execute(_NEVER_TRIED, (receiver, now, delay))
    connection.execute(_CIRCUIT, (receiver, now))
    return tried.rowcount + never_tried.rowcount
