"""Owns /api/events: the log in pages, in its order or from its end."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pagination import LARGEST_SEQ, Span
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints import name_checks
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, json_response, page_of, schema_of
from tracker.web.endpoints.problem_details import MEDIA_TYPE, BeforeTheLog, BeyondTheLog, cursor_before_log, cursor_beyond_log
from tracker.web.endpoints.request_parsing import Glob, Moment, OfAccount, OfJob, Provider, Statuses, moment

Seq = Annotated[int, Meta(ge=0, le=LARGEST_SEQ)]
EVENT: Final = {"$ref": "#/components/schemas/Event"}


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of events."""

    type: Annotated[tuple[Glob, ...], Meta(max_length=32)] = ()
    job: OfJob | UnsetType = UNSET
    account: OfAccount | UnsetType = UNSET
    provider: Provider | UnsetType = UNSET
    status: Statuses = ()
    model: Glob | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET

    async def filter(self, daemon: Daemon, reader: Reader) -> EventFilter:
        """The filter; raises `Refusal` for a name that is not known."""
        name_checks.check_types(self.type)
        await name_checks.check_account(daemon, reader, self.account)
        name_checks.check_provider(daemon, self.provider)
        return EventFilter(
            types=self.type,
            job=self.job or None,
            account=self.account or None,
            provider=self.provider or None,
            statuses=await name_checks.statuses(reader, self.status),
            model=self.model or None,
            since=None if self.since is UNSET else moment("since", self.since),
            until=None if self.until is UNSET else moment("until", self.until),
        )


class EventsQuery(Which, frozen=True, kw_only=True):
    """A filter of events, and the page: events `after` a seq in the order of the log; with `before`, backwards from there."""

    after: Annotated[Seq, Meta(description="Events after this `seq`; `next` of the page before")] | UnsetType = UNSET
    before: Annotated[Seq, Meta(description="Events before this `seq`, the newest first")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=1000, description="The most events of the page")] = 100

    def span(self) -> Span:
        after = self.after or 0
        return Span(after) if self.before is UNSET else Span(after, self.before, newest_first=True)


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[msgspec.Raw]
    next: int | None


def is_before(after: int, first_seq: int) -> bool:
    """Whether events after that seq were moved out of the log, which begins with `first_seq`; 0 stands for its beginning."""
    return 0 < after < first_seq - 1


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def events(query: EventsQuery) -> Response:
        async with daemon.reader() as reader:
            which, last_seq = await query.filter(daemon, reader), await reader.last_seq()
            if (query.after or 0) > last_seq:
                return cursor_beyond_log(query.after or 0, last_seq)
            first_seq = await reader.first_seq() if query.after else 1
            if is_before(query.after or 0, first_seq):
                return cursor_before_log(query.after or 0, first_seq)
            page = await reader.events_page(query.span(), which, query.limit)
        return json_response(_Page(data=[msgspec.Raw(body) for _, body in page.events], next=page.next))

    page = ResponseSpec(page_of(EVENT, schema_of(Seq)), "A page of the log; it may have fewer events than `limit`")
    beyond = ResponseSpec(BeyondTheLog, "`after` is beyond the log's end", MEDIA_TYPE)
    before = ResponseSpec(BeforeTheLog, "`after` is before the kept log, and not 0", MEDIA_TYPE)
    return [
        Endpoint("GET", "/api/events", "events", events, page, {"query": EventsQuery}, other_answers={409: beyond, 410: before})
    ]
