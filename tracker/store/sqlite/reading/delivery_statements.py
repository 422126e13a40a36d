"""Owns the statements that read deliveries and receivers over SQLite."""

from collections.abc import Sequence
from typing import Any, Final

from tracker.core.queries.pagination import DeliveryKey
from tracker.store.records.delivery_pages import DeliveryScan, DeliveryStatements

_INDEXES: Final = {
    "all": ("deliveries AS d INDEXED BY deliveries_of_event", "TRUE"),
    "open": ("deliveries AS d INDEXED BY deliveries_open", "d.state IN ('pending', 'dead')"),
    "of_receiver": ("deliveries AS d NOT INDEXED", "d.receiver = ?4"),
    "dead_of_receiver": ("deliveries AS d INDEXED BY deliveries_dead", "d.receiver = ?4 AND d.state = 'dead'"),
}
"""The index by which deliveries are scanned, and the condition that it stands for."""

_WITH_EVENTS: Final = "{index} CROSS JOIN events AS e ON e.seq = d.seq AND {condition}"
_OF_JOB: Final = """events AS e INDEXED BY events_of_job CROSS JOIN deliveries AS d INDEXED BY deliveries_of_event
  ON d.seq = e.seq AND e.seq {after}= ?1 AND e.job = ?5"""

_SELECT: Final = """SELECT {columns} FROM {source}
WHERE (d.seq, d.receiver) {after} (?1, ?2) AND (?3 = '[]' OR {state} IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR d.receiver = ?4){within}
ORDER BY {first}.seq {direction}, d.receiver {direction} LIMIT {limit}"""

_WITHIN: Final = " AND (d.seq, d.receiver) {up_to} (?7, ?8)"

_END_OF_SCAN: Final = """SELECT d.seq, d.receiver FROM {index}
WHERE (d.seq, d.receiver) {after} (?1, ?2) AND {condition}
ORDER BY d.seq {direction}, d.receiver {direction} LIMIT 1 OFFSET ?6"""

_STATE: Final = "iif(d.silence IS NULL OR d.state <> 'superseded', d.state, 'silenced')"
_SILENCE: Final = "iif(d.state = 'superseded', d.silence, NULL)"
_COLUMNS: Final = f"d.seq, d.receiver, e.id, d.type, e.account, e.job, {_STATE}, d.due_at, d.ended_at, {_SILENCE}"

_ATTEMPTS: Final = """WITH wanted (receiver, seq) AS (VALUES %s)
SELECT receiver, seq, number, began_at, ended_at, result, status, detail, answer
FROM wanted CROSS JOIN attempts USING (receiver, seq) ORDER BY number"""

_RECEIVERS: Final = "SELECT name, failures, since, quiet_until, asked_until, reason, detail, disabled FROM receivers"
_PENDING: Final = "SELECT count(*), min(seq) FROM deliveries INDEXED BY deliveries_due WHERE receiver = ? AND state = 'pending'"
_DEAD: Final = "SELECT count(*) FROM deliveries INDEXED BY deliveries_dead WHERE receiver = ? AND state = 'dead'"
_OBSERVED: Final = "SELECT observed_at FROM events WHERE seq = ?"
_LAST_ERROR: Final = """SELECT a.ended_at, a.seq, a.result, a.status, a.detail FROM (
  SELECT * FROM (SELECT seq FROM deliveries INDEXED BY deliveries_dead
    WHERE receiver = ?1 AND state = 'dead' ORDER BY seq DESC LIMIT 100)
  UNION ALL
  SELECT * FROM (SELECT seq FROM deliveries INDEXED BY deliveries_due
    WHERE receiver = ?1 AND state = 'pending' ORDER BY due_at DESC LIMIT 1000)) AS d
JOIN attempts AS a ON a.receiver = ?1 AND a.seq = d.seq AND a.result <> 'delivered'
ORDER BY a.ended_at DESC LIMIT 1"""
_DEAD_COUNTS: Final = (
    "SELECT receiver, count(*) FROM deliveries INDEXED BY deliveries_dead WHERE state = 'dead' GROUP BY receiver"
)


def _format(sql: str, scan: DeliveryScan, **parts: str) -> str:
    index, condition = _INDEXES[scan.index_name]
    after, up_to, direction = ("<", ">=", "DESC") if scan.newest_first else (">", "<=", "ASC")
    return sql.format(state=_STATE, after=after, up_to=up_to, direction=direction, index=index, condition=condition, **parts)


def _select(scan: DeliveryScan, columns: str, limit: str, within: str = "") -> str:
    """Ordered by the table that the statement begins with: then SQLite need not sort."""
    source, first = (_OF_JOB, "e") if scan.of_job else (_WITH_EVENTS, "d")
    parts = {"source": _format(source, scan), "first": first, "within": _format(within, scan)}
    return _format(_SELECT, scan, columns=columns, limit=limit, **parts)


def _attempts(keys: Sequence[DeliveryKey]) -> tuple[Any, ...]:
    marks = ",".join(["(?, ?)"] * len(keys))
    return _ATTEMPTS % marks, *[part for seq, receiver in keys for part in (receiver, seq)]


DELIVERIES: Final = DeliveryStatements(
    page=lambda scan: _select(scan, _COLUMNS, "?6"),
    page_within=lambda scan: _select(scan, _COLUMNS, "?6", _WITHIN),
    after_skipped=lambda scan: _select(scan, "d.seq, d.receiver", "1 OFFSET ?6"),
    end_of_scan=lambda scan: _format(_END_OF_SCAN, scan),
    attempts=_attempts,
    circuits=_RECEIVERS,
    pending=_PENDING,
    dead=_DEAD,
    observed=_OBSERVED,
    last_error=_LAST_ERROR,
    dead_counts=_DEAD_COUNTS,
)
