"""Owns reading deliveries in pages, in both directions and each by an index, with their attempts; and the receivers' state."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tracker.core.deliveries.circuit import Circuit
from tracker.core.events.event import iso
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pages import LARGEST_SEQ, Backlog, DeliveryKey, DeliveryPage
from tracker.store.sqlite.reading.events import Query

MAX_ROWS_SKIPPED: Final = 20_000
"""Deliveries that one page may skip by an index; some 30 ms."""

_ALL: Final = ("deliveries AS d INDEXED BY deliveries_of_event", "TRUE")
_OPEN: Final = ("deliveries AS d INDEXED BY deliveries_open", "d.state IN ('pending', 'dead')")
_OF_RECEIVER: Final = ("deliveries AS d NOT INDEXED", "d.receiver = ?4")
_DEAD_OF_RECEIVER: Final = ("deliveries AS d INDEXED BY deliveries_dead", "d.receiver = ?4 AND d.state = 'dead'")
"""The index by which deliveries are scanned, and the condition that it stands for."""

_WITH_EVENTS: Final = "{index} CROSS JOIN events AS e ON e.seq = d.seq AND {condition}"
_OF_JOB: Final = """events AS e INDEXED BY events_of_job CROSS JOIN deliveries AS d INDEXED BY deliveries_of_event
  ON d.seq = e.seq AND e.seq {after}= ?1 AND e.job = ?5"""

_SELECT: Final = """SELECT {columns} FROM {source}
WHERE (d.seq, d.receiver) {after} (?1, ?2) AND (?3 = '[]' OR d.state IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR d.receiver = ?4){within}
ORDER BY {first}.seq {direction}, d.receiver {direction} LIMIT {limit}"""

_WITHIN: Final = " AND (d.seq, d.receiver) {up_to} (?7, ?8)"

_END_OF_SCAN: Final = """SELECT d.seq, d.receiver FROM {index}
WHERE (d.seq, d.receiver) {after} (?1, ?2) AND {condition}
ORDER BY d.seq {direction}, d.receiver {direction} LIMIT 1 OFFSET ?6"""

_COLUMNS: Final = "d.seq, d.receiver, e.id, d.type, e.account, e.job, d.state, d.due_at, d.ended_at"

_ATTEMPTS: Final = """WITH wanted (receiver, seq) AS (VALUES %s)
SELECT receiver, seq, number, began_at, ended_at, result, status, detail, answer
FROM wanted CROSS JOIN attempts USING (receiver, seq) ORDER BY number"""

RECEIVERS: Final = "SELECT name, failures, since, quiet_until, asked_until, reason, detail, disabled FROM receivers"
_PENDING: Final = "SELECT count(*), min(seq) FROM deliveries INDEXED BY deliveries_due WHERE receiver = ? AND state = 'pending'"
_DEAD: Final = "SELECT count(*) FROM deliveries INDEXED BY deliveries_dead WHERE receiver = ? AND state = 'dead'"
_LAST_ERROR: Final = """SELECT a.ended_at, a.seq, a.result, a.status, a.detail FROM (
  SELECT * FROM (SELECT seq FROM deliveries INDEXED BY deliveries_dead
    WHERE receiver = ?1 AND state = 'dead' ORDER BY seq DESC LIMIT 100)
  UNION ALL
  SELECT * FROM (SELECT seq FROM deliveries INDEXED BY deliveries_due
    WHERE receiver = ?1 AND state = 'pending' ORDER BY due_at DESC LIMIT 1000)) AS d
JOIN attempts AS a ON a.receiver = ?1 AND a.seq = d.seq AND a.result <> 'delivered'
ORDER BY a.ended_at DESC LIMIT 1"""
DEAD_COUNTS: Final = (
    "SELECT receiver, count(*) FROM deliveries INDEXED BY deliveries_dead WHERE state = 'dead' GROUP BY receiver"
)
_OBSERVED: Final = "SELECT observed_at FROM events WHERE seq = ?"

_MAX_KEYS_PER_QUERY: Final = 500
"""Each takes two parameters."""

_FIRST: Final = DeliveryKey(0, "")
_LAST: Final = DeliveryKey(LARGEST_SEQ, "")


async def read_deliveries(
    query: Query, after: DeliveryKey | None, filters: DeliveryFilter, limit: int, *, newest_first: bool = False
) -> DeliveryPage:
    """Up to `limit` deliveries after that key, in the log's order or against it, each with its attempts."""
    scan = _Scan(filters, after, newest_first=newest_first)
    end = await _end_of_scan(query, scan) if filters.passes_over else None
    rows = await query(scan.select(_COLUMNS, "?6", _WITHIN if end else ""), *scan.parameters, limit + 1, *(end or ()))
    attempts = await _attempts(query, [DeliveryKey(*row[:2]) for row in rows[:limit]])
    found = [_delivery(row, attempts[row[0], row[1]]) for row in rows[:limit]]
    return DeliveryPage(found, DeliveryKey(*rows[limit - 1][:2]) if len(rows) > limit and found else end)


async def start_of_last(query: Query, number: int, filters: DeliveryFilter) -> DeliveryKey:
    """The key that the last `number` deliveries come after."""
    scan = _Scan(filters, None, newest_first=True)
    found = await query(scan.select("d.seq, d.receiver", "1 OFFSET ?6", ""), *scan.parameters, number)
    return DeliveryKey(*found[0]) if found else _FIRST


async def _end_of_scan(query: Query, scan: "_Scan") -> DeliveryKey | None:
    """The last delivery that one page may skip; None where the scan ends before."""
    found = await query(scan.format(_END_OF_SCAN), *scan.parameters, MAX_ROWS_SKIPPED - 1)
    return DeliveryKey(*found[0]) if found else None


async def read_circuits(query: Query) -> dict[str, Circuit]:
    return decode_circuits(await query(RECEIVERS))


def decode_circuits(rows: Iterable[Sequence[Any]]) -> dict[str, Circuit]:
    """The circuit of each row of `RECEIVERS`, by the receiver's name."""
    found = ((row[0], dict(zip(Circuit.__struct_fields__, row[1:], strict=True))) for row in rows)
    return {name: Circuit(**state | {"disabled": bool(state["disabled"])}) for name, state in found}


async def read_backlog(query: Query, receiver: str) -> Backlog:
    ((pending, oldest),) = await query(_PENDING, receiver)
    ((dead,),) = await query(_DEAD, receiver)
    observed = await query(_OBSERVED, oldest)
    return Backlog(pending, dead, observed[0][0] if observed else None)


async def read_last_error(query: Query, receiver: str) -> dict[str, Any] | None:
    found = await query(_LAST_ERROR, receiver)
    if not found:
        return None
    at, seq, result, status, detail = found[0]
    return {"at": iso(at), "seq": seq, "result": result, "status": status, "detail": detail}


async def _attempts(query: Query, keys: Sequence[DeliveryKey]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    found = defaultdict[tuple[int, str], list[dict[str, Any]]](list)
    for some in (keys[start : start + _MAX_KEYS_PER_QUERY] for start in range(0, len(keys), _MAX_KEYS_PER_QUERY)):
        marks = ",".join(["(?, ?)"] * len(some))
        parameters = [part for seq, receiver in some for part in (receiver, seq)]
        for receiver, seq, *attempt in await query(_ATTEMPTS % marks, *parameters):
            found[seq, receiver].append(_attempt(*attempt))
    return found


class _Scan:
    """A scan of deliveries after a key, in the log's order or against it: its statements and their first parameters."""

    def __init__(self, filters: DeliveryFilter, key: DeliveryKey | None, *, newest_first: bool) -> None:
        after, up_to, direction, start = ("<", ">=", "DESC", _LAST) if newest_first else (">", "<=", "ASC", _FIRST)
        index, condition = _choose_index(filters)
        self._parts = {"after": after, "up_to": up_to, "direction": direction, "index": index, "condition": condition}
        self._is_of_job = filters.job is not None
        self.parameters = (*(key or start), json.dumps(list(filters.states)), filters.receiver, filters.job)

    def format(self, sql: str, **parts: str) -> str:
        return sql.format(**self._parts, **parts)

    def select(self, columns: str, limit: str, within: str) -> str:
        """Ordered by the table that the statement begins with: then SQLite need not sort."""
        source, first = (_OF_JOB, "e") if self._is_of_job else (_WITH_EVENTS, "d")
        parts = {"source": self.format(source), "first": first, "within": self.format(within)}
        return self.format(_SELECT, columns=columns, limit=limit, **parts)


def _choose_index(filters: DeliveryFilter) -> tuple[str, str]:
    """The index that leads to the fewest deliveries that are not wanted."""
    if filters.receiver is not None and {*filters.states} == {"dead"}:
        return _DEAD_OF_RECEIVER
    if filters.is_open:
        return _OPEN
    return _ALL if filters.receiver is None else _OF_RECEIVER


def _delivery(row: Sequence[Any], attempts: list[dict[str, Any]]) -> dict[str, Any]:
    seq, receiver, event_id, type_, account, job, state, due_at, ended_at = row
    return {
        "seq": seq,
        "receiver": receiver,
        "event_id": event_id,
        "type": type_,
        "account": account,
        "job": job,
        "state": state,
        "attempts": attempts,
        "due_at": iso(due_at),
        "ended_at": None if ended_at is None else iso(ended_at),
    }


def _attempt(number: int, began_at: int, ended_at: int, *came_to: Any) -> dict[str, Any]:
    result, status, detail, answer = came_to
    times = {"began_at": iso(began_at), "ended_at": iso(ended_at)}
    return {"number": number, **times, "result": result, "status": status, "detail": detail, "answer": answer}
