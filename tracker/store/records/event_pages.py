"""Owns reading the log in pages, in both directions, each by an index and at a bounded cost."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tracker.core.queries.filters import EventFilter, read_facts
from tracker.core.queries.pagination import LARGEST_SEQ, EventPage, Span
from tracker.store.records.query import Query
from tracker.store.records.rare_events import rare_types
from tracker.store.records.stored_events import StoredEvent

MAX_ROWS_SKIPPED: Final = 100_000
"""Events that one page may skip by an index of their columns; some 30 ms."""

MAX_ROWS_DECODED: Final = 6_000
"""Events whose JSON one page may decode to filter them; some 25 ms of SQLite's, 40 of PostgreSQL's."""

MAX_PAGE_CHARACTERS: Final = 4 * 1024 * 1024
"""A page ends with the event that reaches this size."""

_BATCH_SIZE: Final = 100
_DECODED_BATCH_SIZE: Final = 500
"""Of events that are filtered by their JSON: each batch costs a query."""

_NO_LIMIT: Final = 2**31


class EventStatements(NamedTuple):
    """The statements of an engine that select events as a `StoredEvent` has them, and the seq of the last event.

    None selects an event before the kept log. `bounds` selects the first seq of that, and the last.

    Parameters: the seqs before the first and after the last, the limit; in `by_needle` a needle; in the others account, types,
    since and until, and in `by_job` the job too. `{direction}` is that of the order. `by_types` and `end_of_types` are for a
    number of types, all of them rare: the rows of the latter are, for each type that has them, the seq behind a number of
    events that takes the place of the limit. The parameters of `last_of_jobs` are a type, accounts and as many ids; its rows
    begin with account and job.
    """

    by_seq: str
    by_needle: str
    by_columns: str
    by_job: str
    by_types: Callable[[int], str]
    end_of_types: Callable[[int], str]
    last_of_jobs: str
    last_seq: str
    bounds: str


async def read_log(
    query: Query, statements: EventStatements, after: int, filters: EventFilter, limit: int
) -> list[tuple[int, str]]:
    """Up to `limit` events after the seq `after`, page by page; all of them where `limit` is negative."""
    found: list[tuple[int, str]] = []
    following: int | None = after
    while following is not None and len(found) != limit:
        left = limit - len(found) if limit >= 0 else _NO_LIMIT
        page = await read_events(query, statements, Span(after=following), filters, left)
        found += page.events
        following = page.next
    return found


async def read_events(query: Query, statements: EventStatements, span: Span, filters: EventFilter, limit: int) -> EventPage:
    """Up to `limit` events of `span`."""
    span = Span(_clamped(span.after), _clamped(span.before), span.newest_first)
    matches = filters.matcher() if filters.needs_json else None
    span, end = await _searched(query, statements, span, filters)
    found: list[tuple[int, str]] = []
    size = decoded = 0
    while True:
        batch = _DECODED_BATCH_SIZE if matches else min(_BATCH_SIZE, limit - len(found))
        page = await _page(query, statements, span, filters, batch)
        for seq, body in page.events:
            if matches is None or matches(read_facts(body)):
                found.append((seq, body))
                size += len(body)
                if size >= MAX_PAGE_CHARACTERS or (matches and len(found) == limit):
                    return EventPage(found, await _next_if_any(query, statements, span.rest(seq)) or end)
        decoded += len(page.events)
        is_enough = len(found) == limit or (matches is not None and decoded >= MAX_ROWS_DECODED)
        if page.next is None or len(page.events) < batch or is_enough:
            return EventPage(found, page.next or end)
        span = span.rest(page.next)


async def last_events(
    query: Query, statements: EventStatements, type_: str, jobs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """The last event of the type of each of the jobs, by account and id."""
    accounts, ids = [account for account, _ in jobs], [id_ for _, id_ in jobs]
    rows = await query(statements.last_of_jobs, type_, accounts, ids) if jobs else []
    return {(account, id_): StoredEvent(*event).whole()[1] for account, id_, *event in rows}


async def last_seq(query: Query, statements: EventStatements) -> int:
    """The seq of the last event; 0 if there is none."""
    return int((await query(statements.last_seq))[0][0])


async def log_bounds(query: Query, statements: EventStatements) -> tuple[int, int]:
    """The seqs of the first event that is kept, and of the last; 1 and 0 if there is none."""
    ((first, last),) = await query(statements.bounds)
    return int(first), int(last)


async def _page(query: Query, statements: EventStatements, span: Span, filters: EventFilter, limit: int) -> EventPage:
    part, end = await _bounded(query, statements, span, filters)
    rows = await _select(query, statements, part, filters, limit + 1)
    events = [(row[0], StoredEvent(*row).whole()[1]) for row in rows[:limit]]
    return EventPage(events, events[-1][0] if len(rows) > limit and events else end)


async def _select(query: Query, statements: EventStatements, span: Span, filters: EventFilter, limit: int) -> list[Any]:
    sql, columns = _statement(statements, filters)
    return await query(sql.format(direction=_direction(span)), span.after, span.before, limit, *columns)


def _statement(statements: EventStatements, filters: EventFilter) -> tuple[str, tuple[Any, ...]]:
    """The statement, and its parameters behind the limit."""
    columns = _columns(filters)
    if filters.job is not None:
        return statements.by_job, (*columns, filters.job)
    if types := rare_types(filters):
        return statements.by_types(len(types)), columns
    if any(column is not None for column in columns):
        return statements.by_columns, columns
    needle = filters.needle
    return (statements.by_seq, ()) if needle is None else (statements.by_needle, (needle.text,))


def _is_searched(filters: EventFilter) -> bool:
    """Whether events are passed over by a needle in their JSON, as nothing leads to those that are wanted."""
    return filters.job is None and all(column is None for column in _columns(filters)) and filters.needle is not None


def _direction(span: Span) -> str:
    return "DESC" if span.newest_first else "ASC"


def _columns(filters: EventFilter) -> tuple[Any, ...]:
    wanted = filters.matching_types()
    return filters.account, None if wanted is None else sorted(wanted), filters.since, filters.until


async def _bounded(query: Query, statements: EventStatements, span: Span, filters: EventFilter) -> tuple[Span, int | None]:
    """The part of `span` that one page may skip, and the seq from which the next page goes on; None if that is all."""
    account, types, since, until = _columns(filters)
    compares_others = any(column is not None for column in (account, since, until))  # than the types
    if filters.job is not None or (types is None and not compares_others):
        return span, None
    if rare := rare_types(filters):
        return await _bounded_types(query, statements, span, rare) if compares_others else (span, None)
    return await _bounded_seqs(query, statements, span, MAX_ROWS_SKIPPED)


async def _searched(query: Query, statements: EventStatements, span: Span, filters: EventFilter) -> tuple[Span, int | None]:
    """The part of `span` that one page may search for a needle, and the seq from which the next goes on; None: that is all."""
    return await _bounded_seqs(query, statements, span, MAX_ROWS_DECODED) if _is_searched(filters) else (span, None)


async def _bounded_seqs(query: Query, statements: EventStatements, span: Span, most: int) -> tuple[Span, int | None]:
    """The first `most` events of `span`, likewise. The log has no gaps, so a number of seqs is a number of events."""
    first, last = await log_bounds(query, statements)
    newest, span = min(span.before - 1, last), span._replace(after=max(span.after, first - 1))
    if newest - span.after <= most:
        return span, None
    return _up_to(span, newest - most + 1 if span.newest_first else span.after + most)


async def _bounded_types(
    query: Query, statements: EventStatements, span: Span, types: Sequence[str]
) -> tuple[Span, int | None]:
    """As `_bounded`, where the events of these types are read."""
    sql = statements.end_of_types(len(types)).format(direction=_direction(span))
    most = max(1, MAX_ROWS_SKIPPED // len(types))
    ends = [seq for (seq,) in await query(sql, span.after, span.before, most - 1, None, list(types))]
    return _up_to(span, max(ends) if span.newest_first else min(ends)) if ends else (span, None)


def _up_to(span: Span, end: int) -> tuple[Span, int]:
    """The part of `span` as far as the seq `end`, and that."""
    return (span._replace(after=end - 1) if span.newest_first else span._replace(before=end + 1)), end


async def _next_if_any(query: Query, statements: EventStatements, rest: Span) -> int | None:
    first, last = await log_bounds(query, statements)
    if rest.newest_first:
        return rest.before if rest.before > max(rest.after + 1, first) else None
    return rest.after if rest.after < min(rest.before - 1, last) else None


def _clamped(seq: int) -> int:
    return max(-1, min(seq, LARGEST_SEQ))
