"""Owns /api/stream: the log as server-sent events, from any place in it and on as it grows.

Not by sse-starlette: it learns that the server stops from uvicorn's own signal handlers, which an embedded server does without.
"""

from typing import Annotated, Final

import anyio
import msgspec
import structlog
from anyio.lowlevel import checkpoint
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.core.ports import StorageError
from tracker.tasks import task_group
from tracker.web.broadcast import Broadcast
from tracker.web.events import Seq, Which
from tracker.web.following import Following
from tracker.web.operation import Answer, Operation
from tracker.web.problems import problem
from tracker.web.tracker import Tracker

MOST_FOLLOWERS: Final = 256
"""Half of the connections that there may be."""

_HEADERS: Final = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
_HELLO: Final = b"retry: 2000\n: hello\n\n"
"""How long a browser waits before it comes again, in milliseconds; said at once, so that it knows that it is connected."""


class StreamQuery(Which, frozen=True, kw_only=True):
    """Which events, and after which seq; without one, those from now on."""

    after: Seq | UnsetType = UNSET


class LastSeen(msgspec.Struct, frozen=True):
    """The `id` of the last event that arrived, as a browser sends it that comes again; it outdoes `after`."""

    last_event_id: Annotated[str, Meta(pattern="^[0-9]{0,18}$")] = msgspec.field(default="", name="last-event-id")


def operations(tracker: Tracker) -> list[Operation]:
    async def stream(asked: StreamQuery, seen: LastSeen) -> Response:
        async with tracker.reader() as reader:
            which = await asked.filter(tracker, reader)
            last = await reader.last_seq()
        after = int(seen.last_event_id) if seen.last_event_id else last if asked.after is UNSET else asked.after
        follower = Following(tracker.broadcast, tracker.reader, which, min(after, last))
        return Stream(tracker.broadcast, follower, _HELLO if after <= last else _HELLO + reset(after, last))

    said = (
        "Events as they are logged; id is the seq, data the event's JSON in one line. Where the place asked for is beyond "
        "the log's end, the first event is `reset`: its id is the end, and what follows comes after that"
    )
    events = Answer({"type": "string"}, said, "text/event-stream")
    return [Operation("GET", "/api/stream", "stream", stream, events, {"query": StreamQuery, "header": LastSeen})]


def reset(after: int, last_seq: int) -> bytes:
    """What a consumer is sent whose place is beyond the log's end: the log was replaced by an older one, such as a backup."""
    data = msgspec.json.encode({"object": "reset", "after": after, "last_seq": last_seq})
    return b"id: %d\nevent: reset\ndata: %s\n\n" % (last_seq, data)


class Stream(Response):
    """Sends what somebody follows until he goes, or all is over. Who does not read is cut off by the server."""

    def __init__(self, broadcast: Broadcast, following: Following, first: bytes = _HELLO) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._broadcast = broadcast
        self._following = following
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._broadcast.followers >= MOST_FOLLOWERS:
            await problem(503, f"{MOST_FOLLOWERS} follow already", {"retry-after": "10"})(scope, receive, send)
            return
        self._broadcast.followers += 1
        try:
            async with task_group() as group:
                group.start_soon(self._until_gone, receive, group.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if scope["method"] != "HEAD":
                    await self._send_all(send)
                await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()
        finally:
            self._broadcast.followers -= 1

    async def _send_all(self, send: Send) -> None:
        piece = self._first
        while piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await checkpoint()  # where the connection takes everything, or is gone, sending waits for nothing
            try:
                piece = await self._following.piece()
            except StorageError as error:  # he comes again, and then is told why, or goes on
                structlog.get_logger().warning("stream.ended", error=str(error))
                return

    async def _until_gone(self, receive: Receive, streaming: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        streaming.cancel()
