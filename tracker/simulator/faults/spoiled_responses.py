"""Faults of responses that are no errors: lost connections, and reads that are incomplete, outdated or wrong."""

from collections.abc import Sequence
from random import Random
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, Final, TypeVar

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.simulator.faults.http_error_responses import json_answer

T = TypeVar("T")

DRIP: Final = 0.2
"""Seconds between two bytes."""

FIRST: Final = 20
"""Jobs that are shown where the page is ignored."""


def page_of(found: Sequence[T], page: int, page_size: int, fault: str | None, chance: Random) -> tuple[list[T], int]:
    """What a page of `found` shows, and the total that goes with it: spoiled where the fault is about either."""
    if fault == "no-jobs":
        return [], 0
    if fault == "ignored-page":
        page, page_size = 0, min(page_size, FIRST)
    first, total = page * page_size, len(found)
    if fault == "shift":
        by = chance.choice((-1, 1))
        first, total = max(0, first + by), max(0, total - by)
    shown = list(found[first : first + page_size])
    if fault == "vanish" and shown:
        shown.pop(chance.randrange(len(shown)))
        total -= 1
    if fault == "wrong-total" and len(shown) == page_size:
        total = first + page_size
    return shown, total


def remove_one_status(jobs: list[dict[str, Any]], chance: Random) -> None:
    """Break one of `jobs`."""
    if jobs:
        chance.choice(jobs)["status"] = None


def spoil(honest: Response, fault: str) -> Response:
    """The honest answer, spoiled on its way if that is where the `fault` strikes."""
    body = bytes(honest.body)
    match fault:
        case "truncated":
            return Response(body[: len(body) // 2], honest.status_code, media_type="application/json")
        case "malformed":
            return json_answer({"object": "list", "data": {"jobs": "moved"}, "total": "many"})
        case "cut" | "drip":
            return _Interrupted(body, drip=fault == "drip")
    return honest


class NoResponse(Response):
    """No answer: the connection is reset, or nothing happens until the client has had enough."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        if self._kind == "reset":
            transport = scope["extensions"]["transport"]
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            transport.abort()
        await disconnected(receive)


class _Interrupted(Response):
    """An answer that does not arrive whole: it ends in the middle, or comes too slowly for anyone to wait."""

    def __init__(self, body: bytes, *, drip: bool) -> None:
        super().__init__(body, media_type="application/json")
        self._drip = drip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if not self._drip:
            await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
            scope["extensions"]["transport"].close()
            await disconnected(receive)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._drip_on, send)
            await disconnected(receive)
            group.cancel_scope.cancel()

    async def _drip_on(self, send: Send) -> None:
        for at in range(len(self.body)):
            await send({"type": "http.response.body", "body": self.body[at : at + 1], "more_body": at + 1 < len(self.body)})
            await anyio.sleep(DRIP)


async def disconnected(receive: Receive) -> None:
    """Wait until the client or the server has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
