"""Owns reading the log in pages, in both directions, each by an index and within a bound."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tracker.core.queries.filters import EventFilter, read_facts
from tracker.core.queries.pages import LARGEST_SEQ, EventPage, Span

Look = Callable[..., Awaitable[list[Any]]]
"""Runs a statement with its parameters, and returns the rows."""

MOST_LOOKED_AT: Final = 100_000
"""Events that one page may pass over by an index of their columns; some 30 ms."""

MOST_LOOKED_INSIDE: Final = 10_000
"""Events that one page may read whole, to find those that are wanted; some 40 ms."""

MOST_CHARACTERS: Final = 4 * 1024 * 1024
"""Of all events of a page; the one with which they are that many is its last."""

_READ_AT_ONCE: Final = 100

_SELECT: Final = """SELECT seq, body FROM events{index}
WHERE seq > ?1 AND seq < ?2{wanted}
ORDER BY seq {direction} LIMIT ?3"""

_COLUMNS: Final = """ AND (?4 IS NULL OR account = ?4) AND (?5 IS NULL OR type IN (SELECT value FROM json_each(?5)))
  AND (?6 IS NULL OR observed_at >= ?6) AND (?7 IS NULL OR observed_at < ?7)"""

_BY_SEQ: Final = {"index": "", "wanted": ""}
_BY_COLUMNS: Final = {"index": " INDEXED BY events_narrow", "wanted": _COLUMNS}
_BY_JOB: Final = {"index": " INDEXED BY events_of_job", "wanted": f"{_COLUMNS} AND job = ?8"}


async def read_events(look: Look, span: Span, which: EventFilter, limit: int) -> EventPage:
    """Up to `limit` events of `span`."""
    span = Span(_clamped(span.after), _clamped(span.before), span.newest_first)
    takes = which.matcher() if which.looks_inside else None
    found: list[tuple[int, str]] = []
    size = looked = 0
    while True:
        at_once = _READ_AT_ONCE if takes else min(_READ_AT_ONCE, limit - len(found))
        page = await _page(look, span, which, at_once)
        for seq, body in page.events:
            if takes is None or takes(read_facts(body)):
                found.append((seq, body))
                size += len(body)
                if size >= MOST_CHARACTERS or (takes and len(found) == limit):
                    return EventPage(found, await _next_if_any(look, span.rest(seq)))
        looked += len(page.events)
        is_enough = len(found) == limit or (takes is not None and looked >= MOST_LOOKED_INSIDE)
        if page.next is None or len(page.events) < at_once or is_enough:
            return EventPage(found, page.next)
        span = span.rest(page.next)


async def last_seq(look: Look) -> int:
    """The seq of the last event; 0 where there is none."""
    return int((await look("SELECT coalesce(max(seq), 0) FROM events"))[0][0])


async def _page(look: Look, span: Span, which: EventFilter, limit: int) -> EventPage:
    sql, *columns = _statement(span, which)
    reach, end = (span, None) if "events_narrow" not in sql else await _within_reach(look, span)
    rows = await look(sql, reach.after, reach.before, limit + 1, *columns)
    events = [(seq, body) for seq, body in rows[:limit]]
    return EventPage(events, events[-1][0] if len(rows) > limit and events else end)


async def _within_reach(look: Look, span: Span) -> tuple[Span, int | None]:
    """The part of `span` that one page may pass over, and the seq to go on from behind it; None where that is all.

    The log has no gaps, so that a number of seqs is a number of events.
    """
    newest = min(span.before - 1, await last_seq(look))
    if newest - span.after <= MOST_LOOKED_AT:
        return span, None
    if span.newest_first:
        start = newest - MOST_LOOKED_AT
        return span._replace(after=start), start + 1
    end = span.after + MOST_LOOKED_AT
    return span._replace(before=end + 1), end


async def _next_if_any(look: Look, rest: Span) -> int | None:
    if rest.newest_first:
        return rest.before if rest.before > rest.after + 1 else None
    return rest.after if rest.after < min(rest.before - 1, await last_seq(look)) else None


def _statement(span: Span, which: EventFilter) -> tuple[Any, ...]:
    """The statement, and its parameters from the fourth on."""
    direction = "DESC" if span.newest_first else "ASC"
    wanted = which.wanted_types()
    columns = (which.account, None if wanted is None else json.dumps(sorted(wanted)), which.since, which.until)
    if which.job is not None:
        return _SELECT.format(**_BY_JOB, direction=direction), *columns, which.job
    if any(column is not None for column in columns):
        return _SELECT.format(**_BY_COLUMNS, direction=direction), *columns
    return (_SELECT.format(**_BY_SEQ, direction=direction),)


def _clamped(seq: int) -> int:
    return max(-1, min(seq, LARGEST_SEQ))
