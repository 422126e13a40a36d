"""Owns /api/deliveries: the deliveries with their attempts, and their replay."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.deliveries.delivery import Result, State
from tracker.core.deliveries.replay import SELECTORS, Replay, ReplayResult, Seq, archived_events, unknown_receiver
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pagination import DeliveryKey
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints import name_checks
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, Schema, json_response, page_of, schema_of
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import OfJob, ReceiverName

Cursor = Annotated[str, Meta(max_length=300, pattern=r"^[0-9]{1,18}/[^/]*$", description="`next` of the page before")]


class DeliveriesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of deliveries, and the page, in the order of the log or reversed."""

    receiver: ReceiverName | UnsetType = UNSET
    state: Annotated[tuple[State, ...], Meta(max_length=5, description="The states, one of which must match")] = ()
    job: OfJob | UnsetType = UNSET
    order: Annotated[Literal["asc", "desc"], Meta(description="In the order of the log, or the newest first")] = "asc"
    limit: Annotated[int, Meta(ge=1, le=500, description="The most deliveries of the page")] = 100
    after: Cursor | UnsetType = UNSET


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a delivery; `answer` is the beginning of a bad answer."""

    number: int
    began_at: str
    ended_at: str
    result: Result
    status: int | None
    detail: str
    answer: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one receiver."""

    seq: int
    receiver: str
    event_id: str
    type: str
    account: str
    job: str | None
    state: State
    attempts: list[Attempt]
    due_at: str
    ended_at: str | None
    silence: Annotated[str | None, Meta(description="The silence that keeps it, where it is silenced")]


class DeliveryPath(msgspec.Struct, frozen=True):
    """A delivery: the receiver, and the seq of the event."""

    receiver: ReceiverName
    seq: Seq


_GIVEN: Final[Schema] = {"dead": {"const": True}, "silence": {"type": "string"}}

REPLAY: Final[Schema] = {
    "description": "One delivery, all dead, what a silence keeps, or a range of the log, whose end is not before its start",
    "oneOf": [{"required": [way], "properties": {way: _GIVEN.get(way, {"type": "integer"})}} for way in SELECTORS],
}
"""The rules for a `Replay` that its types do not express."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object: {}."""


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def deliveries(query: DeliveriesQuery) -> Response:
        which = DeliveryFilter(states=query.state, receiver=query.receiver or None, job=query.job or None)
        async with daemon.reader() as reader:
            await name_checks.check_receiver(daemon, reader, query.receiver)
            page = await reader.deliveries_page(_place(query.after), which, query.limit, newest_first=query.order == "desc")
        following = None if page.next is None else f"{page.next.seq}/{page.next.receiver}"
        found = msgspec.convert(page.deliveries, list[Delivery])
        return json_response({"object": "list", "data": found, "next": following})

    async def replay(which: Replay) -> Response:
        return json_response(await replayed(which))

    async def retry(path: DeliveryPath, _: Nothing) -> Response:
        done = await replayed(Replay(receiver=path.receiver, seq=path.seq))
        if not done.deliveries:
            raise Refusal(404, f"there is no delivery of event {path.seq} to {path.receiver!r}")
        return json_response(done)

    async def replayed(which: Replay) -> ReplayResult:
        known = [receiver.name for receiver in daemon.config.receivers]
        if which.receiver not in known:
            raise Refusal(404, unknown_receiver(which.receiver, known))
        async with daemon.reader() as reader:
            if archived := archived_events(which, await reader.first_seq()):
                raise Refusal(410, archived)
        return await daemon.replay(which)

    page = ResponseSpec(page_of({"$ref": "#/components/schemas/Delivery"}, schema_of(Cursor)), "A page of deliveries")
    done = ResponseSpec(ReplayResult, "The deliveries are pending")
    again = "/api/deliveries/{receiver}/{seq:int}/retry"
    return [
        Endpoint("GET", "/api/deliveries", "deliveries", deliveries, page, {"query": DeliveriesQuery}),
        Endpoint("POST", "/api/replay", "replay", replay, done, {"body": Replay}, (404, 410)),
        Endpoint("POST", again, "retry", retry, done, {"path": DeliveryPath, "body": Nothing}, (404, 410)),
    ]


def _place(cursor: str | UnsetType) -> DeliveryKey | None:
    if cursor is UNSET:
        return None
    seq, _, receiver = cursor.partition("/")
    return DeliveryKey(int(seq), receiver)
