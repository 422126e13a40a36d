"""Owns /api/deliveries: the deliveries with their attempts, and their replay."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.deliveries.delivery import Result, State
from tracker.core.deliveries.replay import SELECTORS, Replay, ReplayResult, Seq, unknown_receiver
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.queries.pages import DeliveryKey
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints import name_checks
from tracker.web.endpoints.endpoint import Answer, Operation, Schema, json_response, page_of, schema_of
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import Text

Cursor = Annotated[str, Meta(max_length=300, pattern=r"^[0-9]{1,18}/[^/]*$", description="`next` of the page before")]


class DeliveriesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries, and which page of them, in the log's order or against it."""

    receiver: Text | UnsetType = UNSET
    state: Annotated[tuple[State, ...], Meta(max_length=4)] = ()
    job: Text | UnsetType = UNSET
    order: Literal["asc", "desc"] = "asc"
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Cursor | UnsetType = UNSET


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver; `answer` is the beginning of a bad one."""

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


class DeliveryPath(msgspec.Struct, frozen=True):
    """A delivery: the receiver, and the seq of the event."""

    receiver: Text
    seq: Seq


REPLAY: Final[Schema] = {
    "description": "One delivery, all that are dead, or those of a range of the log, which does not end before it starts",
    "oneOf": [
        {"required": [way], "properties": {way: {"const": True} if way == "dead" else {"type": "integer"}}} for way in SELECTORS
    ],
}
"""The rules for a `Replay` that its types do not express."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to say: {}."""


def operations(tracker: Tracker) -> list[Operation]:
    async def deliveries(asked: DeliveriesQuery) -> Response:
        which = DeliveryFilter(states=asked.state, receiver=asked.receiver or None, job=asked.job or None)
        async with tracker.reader() as reader:
            await name_checks.check_receiver(tracker, reader, asked.receiver)
            page = await reader.deliveries_page(_place(asked.after), which, asked.limit, newest_first=asked.order == "desc")
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
        known = [receiver.name for receiver in tracker.config.receivers]
        if which.receiver not in known:
            raise Refusal(404, unknown_receiver(which.receiver, known))
        return await tracker.replay(which)

    page = Answer(page_of({"$ref": "#/components/schemas/Delivery"}, schema_of(Cursor)), "A page of deliveries")
    done = Answer(ReplayResult, "They are on their way")
    again = "/api/deliveries/{receiver}/{seq:int}/retry"
    return [
        Operation("GET", "/api/deliveries", "deliveries", deliveries, page, {"query": DeliveriesQuery}),
        Operation("POST", "/api/replay", "replay", replay, done, {"body": Replay}, (404,)),
        Operation("POST", again, "retry", retry, done, {"path": DeliveryPath, "body": Nothing}, (404,)),
    ]


def _place(cursor: str | UnsetType) -> DeliveryKey | None:
    if cursor is UNSET:
        return None
    seq, _, receiver = cursor.partition("/")
    return DeliveryKey(int(seq), receiver)
