"""Owns reading deliveries in pages, in both directions, each with its attempts and by an index; and how the receivers are."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tracker.core.deliveries.circuit import Circuit
from tracker.core.events.event import iso
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pages import LARGEST_SEQ, Backlog, DeliveryKey, DeliveryPage
from tracker.store.sqlite.reading.events import Look

MOST_LOOKED_AT: Final = 20_000
"""Deliveries that one page may pass over by an index; some 30 ms."""

_ALL: Final = ("deliveries AS d INDEXED BY deliveries_of_event", "TRUE")
_OPEN: Final = ("deliveries AS d INDEXED BY deliveries_open", "d.state IN ('pending', 'dead')")
_OF_RECEIVER: Final = ("deliveries AS d NOT INDEXED", "d.receiver = ?4")
_DEAD_OF_RECEIVER: Final = ("deliveries AS d INDEXED BY deliveries_dead", "d.receiver = ?4 AND d.state = 'dead'")
"""The deliveries as they are gone through, and which of them."""

_WITH_EVENTS: Final = "{through} CROSS JOIN events AS e ON e.seq = d.seq AND {of}"
_OF_JOB: Final = """events AS e INDEXED BY events_of_job CROSS JOIN deliveries AS d INDEXED BY deliveries_of_event
  ON d.seq = e.seq AND e.seq {beyond}= ?1 AND e.job = ?5"""

_SELECT: Final = """SELECT {columns} FROM {source}
WHERE (d.seq, d.receiver) {beyond} (?1, ?2) AND (?3 = '[]' OR d.state IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR d.receiver = ?4){within}
ORDER BY {first}.seq {direction}, d.receiver {direction} LIMIT {limit}"""

_WITHIN: Final = " AND (d.seq, d.receiver) {up_to} (?7, ?8)"

_REACH: Final = """SELECT d.seq, d.receiver FROM {through}
WHERE (d.seq, d.receiver) {beyond} (?1, ?2) AND {of}
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


_KEYS_AT_ONCE: Final = 500
"""Two parameters each."""


_FIRST: Final = DeliveryKey(0, "")
_LAST: Final = DeliveryKey(LARGEST_SEQ, "")


async def read_deliveries(
    look: Look, beyond: DeliveryKey | None, which: DeliveryFilter, limit: int, *, newest_first: bool = False
) -> DeliveryPage:
    """Up to `limit` deliveries beyond that place, in the log's order or against it, each with its attempts."""
    walk = _Walk(which, beyond, newest_first=newest_first)
    end = await _reach(look, walk) if which.passes_over else None
    rows = await look(walk.select(_COLUMNS, "?6", _WITHIN if end else ""), *walk.parameters, limit + 1, *(end or ()))
    attempts = await _attempts(look, [DeliveryKey(*row[:2]) for row in rows[:limit]])
    found = [_delivery(row, attempts[row[0], row[1]]) for row in rows[:limit]]
    return DeliveryPage(found, DeliveryKey(*rows[limit - 1][:2]) if len(rows) > limit and found else end)


async def before_last(look: Look, number: int, which: DeliveryFilter) -> DeliveryKey:
    """What the last `number` deliveries come after."""
    walk = _Walk(which, None, newest_first=True)
    found = await look(walk.select("d.seq, d.receiver", "1 OFFSET ?6", ""), *walk.parameters, number)
    return DeliveryKey(*found[0]) if found else _FIRST


async def _reach(look: Look, walk: "_Walk") -> DeliveryKey | None:
    """The last delivery that one page may pass over; None where that is all."""
    found = await look(walk.written(_REACH), *walk.parameters, MOST_LOOKED_AT - 1)
    return DeliveryKey(*found[0]) if found else None


async def read_circuits(look: Look) -> dict[str, Circuit]:
    """How each receiver was when it was last settled, by its name."""
    return circuits(await look(RECEIVERS))


def circuits(rows: Iterable[Sequence[Any]]) -> dict[str, Circuit]:
    """How the receivers of these rows of `RECEIVERS` are, by name."""
    found = ((row[0], dict(zip(Circuit.__struct_fields__, row[1:], strict=True))) for row in rows)
    return {name: Circuit(**state | {"disabled": bool(state["disabled"])}) for name, state in found}


async def read_backlog(look: Look, receiver: str) -> Backlog:
    ((pending, oldest),) = await look(_PENDING, receiver)
    ((dead,),) = await look(_DEAD, receiver)
    observed = await look(_OBSERVED, oldest)
    return Backlog(pending, dead, observed[0][0] if observed else None)


async def read_last_error(look: Look, receiver: str) -> dict[str, Any] | None:
    found = await look(_LAST_ERROR, receiver)
    if not found:
        return None
    at, seq, result, status, detail = found[0]
    return {"at": iso(at), "seq": seq, "result": result, "status": status, "detail": detail}


async def _attempts(look: Look, keys: Sequence[DeliveryKey]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    found = defaultdict[tuple[int, str], list[dict[str, Any]]](list)
    for some in (keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)):
        marks = ",".join(["(?, ?)"] * len(some))
        parameters = [part for seq, receiver in some for part in (receiver, seq)]
        for receiver, seq, *attempt in await look(_ATTEMPTS % marks, *parameters):
            found[seq, receiver].append(_attempt(*attempt))
    return found


class _Walk:
    """Going through deliveries beyond a place, in the log's order or against it: statements and their first parameters."""

    def __init__(self, which: DeliveryFilter, place: DeliveryKey | None, *, newest_first: bool) -> None:
        beyond, up_to, direction, start = ("<", ">=", "DESC", _LAST) if newest_first else (">", "<=", "ASC", _FIRST)
        through, of = _through(which)
        self._parts = {"beyond": beyond, "up_to": up_to, "direction": direction, "through": through, "of": of}
        self._is_of_job = which.job is not None
        self.parameters = (*(place or start), json.dumps(list(which.states)), which.receiver, which.job)

    def written(self, sql: str, **parts: str) -> str:
        return sql.format(**self._parts, **parts)

    def select(self, columns: str, limit: str, within: str) -> str:
        """Told to order by the table that it begins with, SQLite need not sort."""
        source, first = (_OF_JOB, "e") if self._is_of_job else (_WITH_EVENTS, "d")
        about = {"source": self.written(source), "first": first, "within": self.written(within)}
        return self.written(_SELECT, columns=columns, limit=limit, **about)


def _through(which: DeliveryFilter) -> tuple[str, str]:
    """What leads to few deliveries that are not wanted."""
    if which.receiver is not None and {*which.states} == {"dead"}:
        return _DEAD_OF_RECEIVER
    if which.is_open:
        return _OPEN
    return _ALL if which.receiver is None else _OF_RECEIVER


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
