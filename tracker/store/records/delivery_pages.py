"""Owns reading deliveries in pages, in both directions and each by an index, with their attempts; and the receivers' state."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from tracker.core.deliveries.circuit import Circuit
from tracker.core.events.event import iso
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pagination import LARGEST_SEQ, DeliveryKey, DeliveryPage
from tracker.store.records.query import Query

MAX_ROWS_SKIPPED: Final = 20_000
"""Deliveries that one page may skip by an index; some 30 ms."""


class DeliveryScan(NamedTuple):
    """A scan of the deliveries by one of four indexes, or by those events that are of a job."""

    index_name: Literal["all", "open", "of_receiver", "dead_of_receiver"]
    of_job: bool
    newest_first: bool


class DeliveryStatements(NamedTuple):
    """The statements of an engine that select deliveries, and their receivers.

    Parameters of the first three: seq and receiver of the key behind which the scan begins, states, receiver, job, the limit
    (the number to skip in `end_of_scan` and `after_skipped`); in `page_within` also seq and receiver of the last delivery.
    `attempts` gives the statement and its parameters for some keys.
    """

    page: Callable[[DeliveryScan], str]
    page_within: Callable[[DeliveryScan], str]
    after_skipped: Callable[[DeliveryScan], str]
    end_of_scan: Callable[[DeliveryScan], str]
    attempts: Callable[[Sequence[DeliveryKey]], tuple[Any, ...]]
    circuits: str
    pending: str
    dead: str
    observed: str
    last_error: str
    dead_counts: str


_MAX_KEYS_PER_QUERY: Final = 500
"""Each may take two parameters."""

_FIRST: Final = DeliveryKey(0, "")
_LAST: Final = DeliveryKey(LARGEST_SEQ, "")


async def read_whole_pages(
    query: Query, statements: DeliveryStatements, after: DeliveryKey, filters: DeliveryFilter, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` deliveries after that key, in the log's order, however many rows are skipped."""
    found: list[dict[str, Any]] = []
    following: DeliveryKey | None = after
    while following is not None and len(found) < limit:
        page = await read_deliveries(query, statements, following, filters, limit - len(found))
        found += page.deliveries
        following = page.next
    return found


async def read_deliveries(
    query: Query,
    statements: DeliveryStatements,
    after: DeliveryKey | None,
    filters: DeliveryFilter,
    limit: int,
    *,
    newest_first: bool = False,
) -> DeliveryPage:
    """Up to `limit` deliveries after that key, in the log's order or against it, each with its attempts."""
    scan, place = _choose_scan(filters, newest_first=newest_first), _parameters(after, filters, newest_first=newest_first)
    end = await _end_of_scan(query, statements.end_of_scan(scan), place) if filters.may_skip_rows else None
    page = statements.page_within(scan) if end else statements.page(scan)
    rows = await query(page, *place, limit + 1, *(end or ()))
    attempts = await _attempts(query, statements, [DeliveryKey(*row[:2]) for row in rows[:limit]])
    found = [_delivery(row, attempts[row[0], row[1]]) for row in rows[:limit]]
    return DeliveryPage(found, DeliveryKey(*rows[limit - 1][:2]) if len(rows) > limit and found else end)


async def start_of_last(query: Query, statements: DeliveryStatements, number: int, filters: DeliveryFilter) -> DeliveryKey:
    """The key that the last `number` deliveries come after."""
    statement = statements.after_skipped(_choose_scan(filters, newest_first=True))
    found = await query(statement, *_parameters(None, filters, newest_first=True), number)
    return DeliveryKey(*found[0]) if found else _FIRST


async def _end_of_scan(query: Query, statement: str, place: tuple[Any, ...]) -> DeliveryKey | None:
    """The last delivery that one page may skip; None if the scan ends before."""
    found = await query(statement, *place, MAX_ROWS_SKIPPED - 1)
    return DeliveryKey(*found[0]) if found else None


def _parameters(key: DeliveryKey | None, filters: DeliveryFilter, *, newest_first: bool) -> tuple[Any, ...]:
    """The first five parameters of the statements."""
    return (*(key or (_LAST if newest_first else _FIRST)), list(filters.states), filters.receiver, filters.job)


def _choose_scan(filters: DeliveryFilter, *, newest_first: bool) -> DeliveryScan:
    return DeliveryScan(_choose_index(filters), filters.job is not None, newest_first)


def _choose_index(filters: DeliveryFilter) -> Literal["all", "open", "of_receiver", "dead_of_receiver"]:
    """The index that leads to the fewest deliveries that are not wanted."""
    if filters.receiver is not None and {*filters.states} == {"dead"}:
        return "dead_of_receiver"
    if filters.is_open:
        return "open"
    return "all" if filters.receiver is None else "of_receiver"


async def read_circuits(query: Query, statements: DeliveryStatements) -> dict[str, Circuit]:
    return decode_circuits(await query(statements.circuits))


def decode_circuits(rows: Iterable[Sequence[Any]]) -> dict[str, Circuit]:
    """The circuit of each row of `circuits`, by the receiver's name."""
    found = ((row[0], dict(zip(Circuit.__struct_fields__, row[1:], strict=True))) for row in rows)
    return {name: Circuit(**state | {"disabled": bool(state["disabled"])}) for name, state in found}


async def read_backlog(query: Query, statements: DeliveryStatements, receiver: str) -> Backlog:
    ((pending, oldest),) = await query(statements.pending, receiver)
    ((dead,),) = await query(statements.dead, receiver)
    observed = await query(statements.observed, oldest)
    return Backlog(pending, dead, observed[0][0] if observed else None)


async def read_last_error(query: Query, statements: DeliveryStatements, receiver: str) -> dict[str, Any] | None:
    found = await query(statements.last_error, receiver)
    if not found:
        return None
    at, seq, result, status, detail = found[0]
    return {"at": iso(at), "seq": seq, "result": result, "status": status, "detail": detail}


async def _attempts(
    query: Query, statements: DeliveryStatements, keys: Sequence[DeliveryKey]
) -> dict[tuple[int, str], list[dict[str, Any]]]:
    found = defaultdict[tuple[int, str], list[dict[str, Any]]](list)
    for some in (keys[start : start + _MAX_KEYS_PER_QUERY] for start in range(0, len(keys), _MAX_KEYS_PER_QUERY)):
        for receiver, seq, *attempt in await query(*statements.attempts(some)):
            found[seq, receiver].append(_attempt(*attempt))
    return found


def _delivery(row: Sequence[Any], attempts: list[dict[str, Any]]) -> dict[str, Any]:
    seq, receiver, event_id, type_, account, job, state, due_at, ended_at, silence = row
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
        "silence": silence,
    }


def _attempt(number: int, began_at: int, ended_at: int, *outcome: Any) -> dict[str, Any]:
    result, status, detail, answer = outcome
    times = {"began_at": iso(began_at), "ended_at": iso(ended_at)}
    return {"number": number, **times, "result": result, "status": status, "detail": detail, "answer": answer}
