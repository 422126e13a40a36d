"""Owns /api/stream: the log as server-sent events, from any position, continued as the log grows.

sse-starlette is not used: it learns that the server stops from uvicorn's own signal handlers, which an embedded server lacks.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
import structlog
from anyio.lowlevel import checkpoint
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.core.errors.storage_error import StorageError
from tracker.runtime.task_groups import task_group
from tracker.web.api.events import Seq, Which, is_before
from tracker.web.api.stream_limits import StreamLimits
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.disconnect import cancel_on_disconnect
from tracker.web.endpoints.endpoint import Endpoint, Inputs, ResponseSpec
from tracker.web.stream.server_sent_events import GREETING, HEADERS, gone_message, reset_message
from tracker.web.stream.subscriber import Subscriber


class StreamQuery(Which, frozen=True, kw_only=True):
    """The filter, and the seq after which the stream begins; without one it begins with the next event."""

    after: Annotated[Seq, Meta(description="Events after this `seq`; without it, those from now on")] | UnsetType = UNSET


class LastSeen(msgspec.Struct, frozen=True):
    """The `id` of the last event that arrived, as a browser sends it when it reconnects; it overrides `after`."""

    last_event_id: Annotated[str, Meta(pattern="^[0-9]{0,18}$", description="The `seq` of the last event that you have")] = (
        msgspec.field(default="", name="last-event-id")
    )


class ClientIdentity(msgspec.Struct, frozen=True):
    """The client, as the request guard identifies it."""

    client: str


def endpoints(daemon: Daemon) -> list[Endpoint]:
    limits = StreamLimits(daemon.broadcast)

    async def stream(query: StreamQuery, seen: LastSeen, caller: ClientIdentity) -> Response:
        async with daemon.reader() as reader:
            which = await query.filter(daemon, reader)
            first_seq, last = await reader.first_seq(), await reader.last_seq()
        after = int(seen.last_event_id) if seen.last_event_id else last if query.after is UNSET else query.after
        notice = b""
        if after > last:
            notice = reset_message(after, last)
        elif is_before(after, first_seq):
            notice = gone_message(after, first_seq)
        subscriber = Subscriber(daemon.broadcast, daemon.reader, which, min(max(after, first_seq - 1), last))
        return EventStream(limits, caller.client, subscriber, GREETING + notice)

    description = (
        "Events as they are logged; id is the seq, data the event's JSON in one line. If `after` is beyond "
        "the log's end, the first event is `reset`: its id is the end, and what follows comes after that. If `after` "
        "is before the kept log, and not 0, it is `gone`: its data has `first_seq`, with which the log begins and "
        "the stream goes on"
    )
    events = ResponseSpec({"type": "string"}, description, "text/event-stream")
    inputs: Inputs = {"query": StreamQuery, "header": LastSeen, "caller": ClientIdentity}
    return [Endpoint("GET", "/api/stream", "stream", stream, events, inputs, (429,))]


class EventStream(Response):
    """Sends events until the client disconnects or the daemon stops. The server disconnects a client that does not read."""

    def __init__(self, limits: StreamLimits, client: str, subscriber: Subscriber, first: bytes) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._limits = limits
        self._client = client
        self._subscriber = subscriber
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._limits.refusal(self._client):
            await refusal(scope, receive, send)
            return
        with self._limits.counted(self._client):
            async with task_group() as group:
                group.start_soon(cancel_on_disconnect, receive, group.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if scope["method"] != "HEAD":
                    await self._send_all(send, scope["state"].get("is_still_welcome", lambda: True))
                await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()

    async def _send_all(self, send: Send, is_still_welcome: Callable[[], bool]) -> None:
        chunk = self._first
        while chunk and is_still_welcome():  # a session can end: it expires, or its user logs out
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await checkpoint()  # where the connection takes everything, or is gone, sending waits for nothing
            try:
                chunk = await self._subscriber.next_chunk()
            except StorageError as error:  # the client reconnects, and then gets the error or goes on
                structlog.get_logger().warning("stream.ended", error=str(error))
                return
