"""Owns /api/events: the log in pages, in its order or from its end."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pages import LARGEST_SEQ, Span
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints import name_checks
from tracker.web.endpoints.endpoint import Answer, Operation, json_response, page_of, schema_of
from tracker.web.endpoints.problem_details import MEDIA_TYPE, BeyondTheLog, beyond_the_log
from tracker.web.endpoints.request_parsing import Glob, Moment, Text, moment

Seq = Annotated[int, Meta(ge=0, le=LARGEST_SEQ)]
EVENT: Final = {"$ref": "#/components/schemas/Event"}


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which events."""

    type: Annotated[tuple[Glob, ...], Meta(max_length=32)] = ()
    job: Text | UnsetType = UNSET
    account: Text | UnsetType = UNSET
    status: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()
    model: Glob | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET

    async def filter(self, tracker: Tracker, reader: Reader) -> EventFilter:
        """The filter; raises `Refusal` for a name that is not known."""
        name_checks.check_types(self.type)
        await name_checks.check_account(tracker, reader, self.account)
        return EventFilter(
            types=self.type,
            job=self.job or None,
            account=self.account or None,
            statuses=await name_checks.statuses(reader, self.status),
            model=self.model or None,
            since=None if self.since is UNSET else moment("since", self.since),
            until=None if self.until is UNSET else moment("until", self.until),
        )


class EventsQuery(Which, frozen=True, kw_only=True):
    """Which events, and which page of them: those `after` a seq in the log's order; with `before` from there on backwards."""

    after: Seq | UnsetType = UNSET
    before: Seq | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100

    def span(self) -> Span:
        after = self.after or 0
        return Span(after) if self.before is UNSET else Span(after, self.before, newest_first=True)


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[msgspec.Raw]
    next: int | None


def operations(tracker: Tracker) -> list[Operation]:
    async def events(asked: EventsQuery) -> Response:
        async with tracker.reader() as reader:
            which, last_seq = await asked.filter(tracker, reader), await reader.last_seq()
            if (asked.after or 0) > last_seq:
                return beyond_the_log(asked.after or 0, last_seq)
            page = await reader.events_page(asked.span(), which, asked.limit)
        return json_response(_Page(data=[msgspec.Raw(body) for _, body in page.events], next=page.next))

    page = Answer(page_of(EVENT, schema_of(Seq)), "A page of the log; it may hold fewer than asked for")
    beyond = Answer(BeyondTheLog, "`after` is beyond the log's end", MEDIA_TYPE)
    return [Operation("GET", "/api/events", "events", events, page, {"query": EventsQuery}, otherwise={409: beyond})]
