"""Owns the cut: how far the log may be moved into segments. What is young, open or still needed stays, and all after it."""

import sqlite3
from typing import Final, NamedTuple

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.events.event_type_table import ACCOUNT_TYPES, RECEIVER_TYPES

_ROWS_AT_ONCE: Final = 50_000
"""Of the narrow index; some 5 ms."""

BOUNDS: Final = "SELECT first_seq, (SELECT coalesce(max(seq), 0) FROM events) FROM log_start"

_YOUNG: Final = """
SELECT seq FROM events INDEXED BY events_narrow WHERE seq >= ?1 AND seq < ?1 + ?3 AND observed_at >= ?2 ORDER BY seq LIMIT 1"""

_OBSERVED: Final = "SELECT observed_at FROM events WHERE seq = ?"

_HOLDS: Final = f"""
SELECT seq, what FROM (
  SELECT (SELECT min(seq) FROM events INDEXED BY events_of_job WHERE job = j.id) AS seq,
    'job ' || j.id || ' of account ' || j.account || ' is active' AS what FROM jobs AS j INDEXED BY jobs_active WHERE active
  UNION ALL SELECT min(seq), 'an event is kept as long as a delivery of it' FROM deliveries
  UNION ALL SELECT j.seq, 'the result files of job ' || t.job || ' of account ' || t.account || ' are to be archived'
    FROM archive_tasks AS t JOIN jobs AS j ON j.account = t.account AND j.id = t.job
  UNION ALL SELECT seq, 'account ' || account || ' is unreachable' FROM (
    SELECT account, type, max(seq) AS seq FROM events INDEXED BY events_of_account
    WHERE job IS NULL AND type IN {ACCOUNT_TYPES} GROUP BY account) WHERE type = 'account.unreachable'
  UNION ALL SELECT seq, 'receiver ' || receiver || ' is failing' FROM (
    SELECT json_extract(body, '$.data.receiver') AS receiver, max(seq) AS seq FROM events INDEXED BY events_of_account
    WHERE job IS NULL AND account = '' AND type IN {RECEIVER_TYPES} GROUP BY 1)
    WHERE receiver IN (SELECT name FROM receivers WHERE disabled OR failures >= {FAILURES_TO_OPEN})
) WHERE seq IS NOT NULL ORDER BY seq LIMIT 1"""  # noqa: S608 - of constants


class Cut(NamedTuple):
    """The events before `seq` may go; `held_by` is why those after it may not, where that is not their age."""

    seq: int
    held_by: str | None


def find_cut(connection: sqlite3.Connection, before: str) -> Cut:
    """The cut of what was observed `before` then (ISO 8601). The last event always stays: the numbers go on from it."""
    first, last = connection.execute(BOUNDS).fetchone()
    young = _first_young(connection, first, last, before)
    held, reason = connection.execute(_HOLDS).fetchone() or (last, None)
    return Cut(max(first, held), reason) if held < young else Cut(young, None)


def spans(connection: sqlite3.Connection, cut: Cut) -> tuple[str, str] | None:
    """When the first event that may go and the first that stays were observed; None if nothing may go."""
    first, _ = connection.execute(BOUNDS).fetchone()
    rows = [connection.execute(_OBSERVED, (seq,)).fetchone() for seq in (first, cut.seq)]
    return (rows[0][0], rows[1][0]) if first < cut.seq and all(rows) else None


def _first_young(connection: sqlite3.Connection, first: int, last: int, before: str) -> int:
    """The first event that was not observed before then; the last one if there is none."""
    for seq in range(first, last, _ROWS_AT_ONCE):
        if found := connection.execute(_YOUNG, (seq, before, _ROWS_AT_ONCE)).fetchone():
            return min(int(found[0]), last)
    return last
