"""Owns the page `/events`: a part of the log, the newest last, narrowed by the URL."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from starlette.datastructures import QueryParams

from tracker.core.events.timeline import PROGRESS
from tracker.core.events.types import BATCH_TYPES, END_TYPES, OVERDUE_TYPES, PROBLEM_TYPES
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pages import Span
from tracker.web.endpoints.name_checks import check_types
from tracker.web.pages.jobs import Pill
from tracker.web.pages.links import encoded_query, link

PAGE: Final = 100
BEFORE_CHOSEN: Final = PAGE // 2

_KINDS: Final = {
    "Everything": (),
    "Without progress": (
        *(each for each in BATCH_TYPES if each != PROGRESS),
        *OVERDUE_TYPES,
        "account.*",
        "receiver.*",
    ),
    "Ends": END_TYPES,
    "Problems": PROBLEM_TYPES,
    "Accounts and receivers": ("account.*", "receiver.*"),
}
"""The pills, and the globs of types that each stands for."""

_PLACES: Final = ("after", "before", "around")


async def events_page(reader: Reader, query: QueryParams) -> dict[str, Any]:
    """What `events.html` shows: what is `after` a seq, `before` one, `around` one, or else the newest."""
    check_types(each for each in query.getlist("type") if each)
    which = EventFilter(
        types=tuple(each for each in query.getlist("type") if each),
        job=query.get("job", "").strip() or None,
        account=query.get("account") or None,
        model=query.get("model") or None,
    )
    log_end = await reader.last_seq()  # first: what comes meanwhile is asked for again
    places = _places(query, log_end)
    part = await _part(reader, which, places)
    return {
        "asked": which,
        "narrowed": which != EventFilter(),
        "events": [json.loads(body) for _, body in part.events],
        "around": places.get("around"),
        "older": None if part.older is None else _go(query, before=part.older),
        "newer": None if part.newer is None else _go(query, after=part.newer),
        "follows": part.newer is None,
        "last": max([log_end, *(seq for seq, _ in part.events)]) if part.newer is None else part.newer,
        "pills": [Pill(name, _go(query, type=types or None), which.types == types) for name, types in _KINDS.items()],
        "stream": encoded_query(type=which.types, job=which.job, account=which.account, model=which.model),
    }


class _Part(NamedTuple):
    """Events in the log's order, and the seqs before and after which there are more, where there are."""

    events: list[tuple[int, str]]
    older: int | None
    newer: int | None


async def _part(reader: Reader, which: EventFilter, places: Mapping[str, int]) -> _Part:
    if "after" in places or "around" in places:
        after = places["after"] if "after" in places else max(0, places["around"] - BEFORE_CHOSEN)
        page = await reader.events_page(Span(after=after), which, PAGE)
        return _Part(page.events, after + 1 if after else None, page.next)
    span = Span(newest_first=True)
    page = await reader.events_page(span._replace(before=places["before"]) if "before" in places else span, which, PAGE)
    return _Part(page.events[::-1], page.next, places["before"] - 1 if "before" in places else None)


def _places(query: QueryParams, log_end: int) -> dict[str, int]:
    """Where in the log the page is; a place that it does not have (any more) is none."""
    asked = {name: int(query[name]) for name in _PLACES if query.get(name, "").isdecimal() and len(query[name]) < 19}
    return {name: seq for name, seq in asked.items() if seq <= log_end + (name == "before")}


def _go(query: QueryParams, **changed: object) -> str:
    return link("/events", query, **dict.fromkeys(_PLACES) | changed)
