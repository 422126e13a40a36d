"""Owns /api/stream: the log as server-sent events, from any place in it and on as it grows.

Not by sse-starlette: it learns that the server stops from uvicorn's own signal handlers, which an embedded server does without.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import anyio
import msgspec
import structlog
from anyio.lowlevel import checkpoint
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.core.errors.storage_error import StorageError
from tracker.runtime.task_groups import task_group
from tracker.web.api.events import Seq, Which
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints.endpoint import Answer, Operation, Takes
from tracker.web.endpoints.problem_details import problem
from tracker.web.stream.broadcast import Broadcast
from tracker.web.stream.subscriber import Following

MOST_OF_ONE: Final = 64
"""Streams of one client, so that one client cannot take all of them."""

_HEADERS: Final = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
_HELLO: Final = b"retry: 2000\n: hello\n\n"
"""The milliseconds until a browser reconnects; sent at once, so that the browser knows that it is connected."""


class StreamQuery(Which, frozen=True, kw_only=True):
    """Which events, and after which seq; without one, those from now on."""

    after: Seq | UnsetType = UNSET


class LastSeen(msgspec.Struct, frozen=True):
    """The `id` of the last event that arrived, as a browser sends it when it reconnects; it overrides `after`."""

    last_event_id: Annotated[str, Meta(pattern="^[0-9]{0,18}$")] = msgspec.field(default="", name="last-event-id")


class Caller(msgspec.Struct, frozen=True):
    """Which client it is."""

    client: str


def operations(tracker: Tracker) -> list[Operation]:
    places = Places(tracker.broadcast)

    async def stream(asked: StreamQuery, seen: LastSeen, caller: Caller) -> Response:
        async with tracker.reader() as reader:
            which = await asked.filter(tracker, reader)
            last = await reader.last_seq()
        after = int(seen.last_event_id) if seen.last_event_id else last if asked.after is UNSET else asked.after
        follower = Following(tracker.broadcast, tracker.reader, which, min(after, last))
        return Stream(places, caller.client, follower, _HELLO if after <= last else _HELLO + reset(after, last))

    said = (
        "Events as they are logged; id is the seq, data the event's JSON in one line. Where the place asked for is beyond "
        "the log's end, the first event is `reset`: its id is the end, and what follows comes after that"
    )
    events = Answer({"type": "string"}, said, "text/event-stream")
    takes: Takes = {"query": StreamQuery, "header": LastSeen, "caller": Caller}
    return [Operation("GET", "/api/stream", "stream", stream, events, takes, (429,))]


def reset(after: int, last_seq: int) -> bytes:
    """The message for a cursor beyond the log's end: the log was replaced by an older one, such as a backup."""
    data = msgspec.json.encode({"object": "reset", "after": after, "last_seq": last_seq})
    return b"id: %d\nevent: reset\ndata: %s\n\n" % (last_seq, data)


class Places:
    """Limits how many streams are open, in total and per client."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._of: Counter[str] = Counter()

    def refusal(self, client: str) -> Response | None:
        """The answer where the client gets no stream; None where it does."""
        most = self._broadcast.most_followers
        if self._broadcast.followers >= most:
            return problem(503, f"there are {most} streams already, which is the limit", {"retry-after": "10"})
        if self._of[client] >= min(MOST_OF_ONE, max(1, most // 4)):
            return problem(
                429, f"this client has {self._of[client]} streams already, which is its limit", {"retry-after": "10"}
            )
        return None

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Count one stream of the client while the context lasts."""
        self._broadcast.followers += 1
        self._of[client] += 1
        try:
            yield
        finally:
            self._broadcast.followers -= 1
            self._of[client] -= 1
            self._of += Counter()  # a client without streams is forgotten


class Stream(Response):
    """Sends events until the client disconnects or the daemon stops. The server disconnects a client that does not read."""

    def __init__(self, places: Places, client: str, following: Following, first: bytes = _HELLO) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._places = places
        self._client = client
        self._following = following
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._places.refusal(self._client):
            await refusal(scope, receive, send)
            return
        with self._places.taken(self._client):
            async with task_group() as group:
                group.start_soon(self._until_gone, receive, group.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if scope["method"] != "HEAD":
                    await self._send_all(send, scope["state"].get("is_still_welcome", lambda: True))
                await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()

    async def _send_all(self, send: Send, is_still_welcome: Callable[[], bool]) -> None:
        piece = self._first
        while piece and is_still_welcome():  # a session can end: it expires, or its user logs out
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await checkpoint()  # where the connection takes everything, or is gone, sending waits for nothing
            try:
                piece = await self._following.piece()
            except StorageError as error:  # the client reconnects, and then gets the error or goes on
                structlog.get_logger().warning("stream.ended", error=str(error))
                return

    async def _until_gone(self, receive: Receive, streaming: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        streaming.cancel()
