"""Owns reading deliveries in pages, in both directions, each with its attempts and by an index; and how the receivers are."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tracker.core.circuit import Circuit
from tracker.core.event import iso
from tracker.core.filters import DeliveryFilter
from tracker.core.pages import LARGEST_SEQ, Backlog, DeliveryKey, DeliveryPage
from tracker.store.read_events import Look

_ALL: Final = "deliveries AS d INDEXED BY deliveries_of_event CROSS JOIN events AS e ON e.seq = d.seq"
_OPEN: Final = """deliveries AS d INDEXED BY deliveries_open CROSS JOIN events AS e
  ON e.seq = d.seq AND d.state IN ('pending', 'dead')"""
_OF_RECEIVER: Final = "deliveries AS d NOT INDEXED CROSS JOIN events AS e ON e.seq = d.seq AND d.receiver = ?4"
_OF_JOB: Final = """events AS e INDEXED BY events_of_job CROSS JOIN deliveries AS d INDEXED BY deliveries_of_event
  ON d.seq = e.seq AND e.seq {beyond}= ?1 AND e.job = ?5"""

_SELECT: Final = """SELECT {columns} FROM {source}
WHERE (d.seq, d.receiver) {beyond} (?1, ?2) AND (?3 = '[]' OR d.state IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR d.receiver = ?4)
ORDER BY {first}.seq {direction}, d.receiver {direction} LIMIT {limit}"""

_COLUMNS: Final = "d.seq, d.receiver, e.id, d.type, e.account, e.job, d.state, d.due_at, d.ended_at"

_ATTEMPTS: Final = """WITH wanted (receiver, seq) AS (VALUES %s)
SELECT receiver, seq, number, began_at, ended_at, result, status, detail, answer
FROM wanted CROSS JOIN attempts USING (receiver, seq) ORDER BY number"""

RECEIVERS: Final = "SELECT name, failures, since, quiet_until, reason, detail, disabled FROM receivers"
_PENDING: Final = "SELECT count(*), min(seq) FROM deliveries INDEXED BY deliveries_due WHERE receiver = ? AND state = 'pending'"
_DEAD: Final = "SELECT count(*) FROM deliveries INDEXED BY deliveries_dead WHERE receiver = ? AND state = 'dead'"
_OBSERVED: Final = "SELECT observed_at FROM events WHERE seq = ?"


_KEYS_AT_ONCE: Final = 500
"""Two parameters each."""


_FIRST: Final = DeliveryKey(0, "")
_LAST: Final = DeliveryKey(LARGEST_SEQ, "")


async def read_deliveries(
    look: Look, beyond: DeliveryKey | None, which: DeliveryFilter, limit: int, *, newest_first: bool = False
) -> DeliveryPage:
    """Up to `limit` deliveries beyond that place, in the log's order or against it, each with its attempts."""
    sql, *parameters = _statement(_COLUMNS, "?6", beyond, which, newest_first=newest_first)
    rows = await look(sql, *parameters, limit + 1)
    attempts = await _attempts(look, [DeliveryKey(*row[:2]) for row in rows[:limit]])
    found = [_delivery(row, attempts[row[0], row[1]]) for row in rows[:limit]]
    return DeliveryPage(found, DeliveryKey(*rows[limit - 1][:2]) if len(rows) > limit and found else None)


async def before_last(look: Look, number: int, which: DeliveryFilter) -> DeliveryKey:
    """What the last `number` deliveries come after."""
    sql, *parameters = _statement("d.seq, d.receiver", "1 OFFSET ?6", None, which, newest_first=True)
    found = await look(sql, *parameters, number)
    return DeliveryKey(*found[0]) if found else _FIRST


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


async def _attempts(look: Look, keys: Sequence[DeliveryKey]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    found = defaultdict[tuple[int, str], list[dict[str, Any]]](list)
    for some in (keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)):
        marks = ",".join(["(?, ?)"] * len(some))
        parameters = [part for seq, receiver in some for part in (receiver, seq)]
        for receiver, seq, *attempt in await look(_ATTEMPTS % marks, *parameters):
            found[seq, receiver].append(_attempt(*attempt))
    return found


def _statement(
    columns: str, limit: str, beyond: DeliveryKey | None, which: DeliveryFilter, *, newest_first: bool
) -> tuple[Any, ...]:
    """The statement and its first five parameters; told to order by the table that it begins with, SQLite need not sort."""
    sign, direction, start = ("<", "DESC", _LAST) if newest_first else (">", "ASC", _FIRST)
    sql = _SELECT.format(
        columns=columns,
        source=_source(which).format(beyond=sign),
        beyond=sign,
        first="d" if which.job is None else "e",
        direction=direction,
        limit=limit,
    )
    return sql, *(beyond or start), json.dumps(list(which.states)), which.receiver, which.job


def _source(which: DeliveryFilter) -> str:
    """The tables, and the index that leads to few rows that are not wanted."""
    if which.job is not None:
        return _OF_JOB
    if which.states and not {*which.states} - {"pending", "dead"}:
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
