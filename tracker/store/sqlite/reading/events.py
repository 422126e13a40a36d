"""Owns reading the log in pages, in both directions, each by an index and at a bounded cost."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tracker.core.queries.filters import EventFilter, read_facts
from tracker.core.queries.pages import LARGEST_SEQ, EventPage, Span

Query = Callable[..., Awaitable[list[Any]]]
"""Runs a statement with its parameters; returns the rows."""

MAX_ROWS_SKIPPED: Final = 100_000
"""Events that one page may skip by an index of their columns; some 30 ms."""

MAX_ROWS_DECODED: Final = 10_000
"""Events whose JSON one page may decode to filter them; some 40 ms."""

MAX_PAGE_CHARACTERS: Final = 4 * 1024 * 1024
"""A page ends with the event that reaches this size."""

_BATCH_SIZE: Final = 100

_SELECT: Final = """SELECT seq, body FROM events{index}
WHERE seq > ?1 AND seq < ?2{wanted}
ORDER BY seq {direction} LIMIT ?3"""

_COLUMNS: Final = """ AND (?4 IS NULL OR account = ?4) AND (?5 IS NULL OR type IN (SELECT value FROM json_each(?5)))
  AND (?6 IS NULL OR observed_at >= ?6) AND (?7 IS NULL OR observed_at < ?7)"""

_BY_SEQ: Final = {"index": "", "wanted": ""}
_BY_COLUMNS: Final = {"index": " INDEXED BY events_narrow", "wanted": _COLUMNS}
_BY_JOB: Final = {"index": " INDEXED BY events_of_job", "wanted": f"{_COLUMNS} AND job = ?8"}


async def read_events(query: Query, span: Span, filters: EventFilter, limit: int) -> EventPage:
    """Up to `limit` events of `span`."""
    span = Span(_clamped(span.after), _clamped(span.before), span.newest_first)
    matches = filters.matcher() if filters.looks_inside else None
    found: list[tuple[int, str]] = []
    size = decoded = 0
    while True:
        batch = _BATCH_SIZE if matches else min(_BATCH_SIZE, limit - len(found))
        page = await _page(query, span, filters, batch)
        for seq, body in page.events:
            if matches is None or matches(read_facts(body)):
                found.append((seq, body))
                size += len(body)
                if size >= MAX_PAGE_CHARACTERS or (matches and len(found) == limit):
                    return EventPage(found, await _next_if_any(query, span.rest(seq)))
        decoded += len(page.events)
        is_enough = len(found) == limit or (matches is not None and decoded >= MAX_ROWS_DECODED)
        if page.next is None or len(page.events) < batch or is_enough:
            return EventPage(found, page.next)
        span = span.rest(page.next)


async def last_seq(query: Query) -> int:
    """The seq of the last event; 0 where there is none."""
    return int((await query("SELECT coalesce(max(seq), 0) FROM events"))[0][0])


async def _page(query: Query, span: Span, filters: EventFilter, limit: int) -> EventPage:
    sql, *columns = _statement(span, filters)
    part, end = (span, None) if "events_narrow" not in sql else await _bounded(query, span)
    rows = await query(sql, part.after, part.before, limit + 1, *columns)
    events = [(seq, body) for seq, body in rows[:limit]]
    return EventPage(events, events[-1][0] if len(rows) > limit and events else end)


async def _bounded(query: Query, span: Span) -> tuple[Span, int | None]:
    """The part of `span` that one page may skip, and the seq from which the next page goes on; None where that is all.

    The log has no gaps, so a number of seqs is a number of events.
    """
    newest = min(span.before - 1, await last_seq(query))
    if newest - span.after <= MAX_ROWS_SKIPPED:
        return span, None
    if span.newest_first:
        start = newest - MAX_ROWS_SKIPPED
        return span._replace(after=start), start + 1
    end = span.after + MAX_ROWS_SKIPPED
    return span._replace(before=end + 1), end


async def _next_if_any(query: Query, rest: Span) -> int | None:
    if rest.newest_first:
        return rest.before if rest.before > rest.after + 1 else None
    return rest.after if rest.after < min(rest.before - 1, await last_seq(query)) else None


def _statement(span: Span, filters: EventFilter) -> tuple[Any, ...]:
    """The statement, and its parameters from the fourth on."""
    direction = "DESC" if span.newest_first else "ASC"
    wanted = filters.wanted_types()
    columns = (filters.account, None if wanted is None else json.dumps(sorted(wanted)), filters.since, filters.until)
    if filters.job is not None:
        return _SELECT.format(**_BY_JOB, direction=direction), *columns, filters.job
    if any(column is not None for column in columns):
        return _SELECT.format(**_BY_COLUMNS, direction=direction), *columns
    return (_SELECT.format(**_BY_SEQ, direction=direction),)


def _clamped(seq: int) -> int:
    return max(-1, min(seq, LARGEST_SEQ))
