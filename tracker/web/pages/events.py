"""Owns the page `/events`: a part of the log, the newest event last, filtered by the URL."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from starlette.datastructures import QueryParams

from tracker.core.events.event_type_table import BATCH_TYPES, END_TYPES, OVERDUE_TYPES, PROBLEM_TYPES, RESULT_TYPES
from tracker.core.events.timeline import PROGRESS
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pagination import Span
from tracker.web.endpoints.name_checks import check_types
from tracker.web.pages.rendering.filter_pills import Pill
from tracker.web.pages.rendering.links import build_query, link

PAGE_SIZE: Final = 100
BEFORE_CHOSEN: Final = PAGE_SIZE // 2
"""Events before the one that the page is opened at."""

_KINDS: Final = {
    "Everything": (),
    "Without progress": (
        *(each for each in BATCH_TYPES if each != PROGRESS),
        *OVERDUE_TYPES,
        *RESULT_TYPES,
        "account.*",
        "receiver.*",
        "replica.*",
        "silence.*",
    ),
    "Ends": END_TYPES,
    "Problems": PROBLEM_TYPES,
    "Accounts and receivers": ("account.*", "receiver.*", "replica.*", "silence.*"),
}
"""The filter pills, each with its globs of event types."""

_POSITIONS: Final = ("after", "before", "around")


async def events_page(reader: Reader, query: QueryParams) -> dict[str, Any]:
    """The variables of `events.html`: the events `after`, `before` or `around` a seq, else the newest."""
    check_types(each for each in query.getlist("type") if each)
    which = EventFilter(
        types=tuple(each for each in query.getlist("type") if each),
        job=query.get("job", "").strip() or None,
        account=query.get("account") or None,
        provider=query.get("provider") or None,
        model=query.get("model") or None,
    )
    log_end = await reader.last_seq()  # first: what is logged meanwhile is fetched again
    positions = _positions(query, log_end)
    part = await _part(reader, which, positions)
    return {
        "asked": which,
        "narrowed": which != EventFilter(),
        "events": [json.loads(body) for _, body in part.events],
        "around": positions.get("around"),
        "older": None if part.older is None else _link(query, before=part.older),
        "newer": None if part.newer is None else _link(query, after=part.newer),
        "follows": part.newer is None,
        "last": max([log_end, *(seq for seq, _ in part.events)]) if part.newer is None else part.newer,
        "pills": [Pill(name, _link(query, type=types or None), which.types == types) for name, types in _KINDS.items()],
        "stream": build_query(
            type=which.types, job=which.job, account=which.account, provider=which.provider, model=which.model
        ),
    }


class _Part(NamedTuple):
    """Events in the order of the log, and the seqs before and after which there are more, if any."""

    events: list[tuple[int, str]]
    older: int | None
    newer: int | None


async def _part(reader: Reader, which: EventFilter, positions: Mapping[str, int]) -> _Part:
    if "after" in positions or "around" in positions:
        after = positions["after"] if "after" in positions else max(0, positions["around"] - BEFORE_CHOSEN)
        page = await reader.events_page(Span(after=after), which, PAGE_SIZE)
        return _Part(page.events, after + 1 if after else None, page.next)
    span = Span(newest_first=True)
    page = await reader.events_page(
        span._replace(before=positions["before"]) if "before" in positions else span, which, PAGE_SIZE
    )
    return _Part(page.events[::-1], page.next, positions["before"] - 1 if "before" in positions else None)


def _positions(query: QueryParams, log_end: int) -> dict[str, int]:
    """The positions in the URL, without those that are beyond the log's end."""
    given = {name: int(query[name]) for name in _POSITIONS if query.get(name, "").isdecimal() and len(query[name]) < 19}
    return {name: seq for name, seq in given.items() if seq <= log_end + (name == "before")}


def _link(query: QueryParams, **changed: object) -> str:
    return link("/events", query, **dict.fromkeys(_POSITIONS) | changed)
