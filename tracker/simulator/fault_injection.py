"""Owns what a fault does to an answer: refusals, silences, and the ways in which a read can be spoilt."""

from collections.abc import Sequence
from email.utils import formatdate
from random import Random
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, Final, TypeVar

import anyio
import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

RETRY_AFTER: Final = 1
"""Seconds."""

DRIP: Final = 0.2
"""Seconds between two bytes."""

FIRST: Final = 20
"""Jobs that are shown where the page is ignored."""

_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
_RATE_LIMITED: Final = {
    "message": "Requests rate limit exceeded",
    "type": "rate_limited",
    "code": "1300",
    "raw_status_code": 429,
}
_ERRORS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "429": (429, _RATE_LIMITED),
    "429-date": (429, _RATE_LIMITED),
    "429-bare": (429, _RATE_LIMITED),
    "500": (500, {"message": "Internal server error", "type": "internal_server_error", "code": "3000"}),
    "401": (401, {"message": "Unauthorized", "type": "unauthorized", "code": "1000"}),
    "402": (402, {"message": "Batch is not enabled for this workspace", "type": "payment_required", "code": "1600"}),
    "403": (403, {"message": "Forbidden", "type": "forbidden", "code": "1100"}),
    "404": (404, {"message": "Batch job not found", "type": "not_found", "code": "1500"}),
}


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def refusal(kind: str, at: float) -> Response:
    """The answer to a request that is refused at the moment `at`: an HTTP status, or a kind of `faults.REFUSALS`."""
    if kind == "html":
        return Response(_HTML, 502, media_type="text/html")
    if kind == "503":
        return Response(b"", 503)
    status, error = _ERRORS[kind]
    return json_answer({"object": "error", **error}, status, _retry_after(kind, at))


def _retry_after(kind: str, at: float) -> dict[str, str]:
    if kind == "429":
        return {"retry-after": str(RETRY_AFTER)}
    return {"retry-after": formatdate(at + RETRY_AFTER, usegmt=True)} if kind == "429-date" else {}


def page_of(found: Sequence[T], page: int, page_size: int, lie: str | None, chance: Random) -> tuple[list[T], int]:
    """What a page of `found` shows, and the total that goes with it: spoilt where the lie is about either."""
    if lie == "no-jobs":
        return [], 0
    if lie == "ignored-page":
        page, page_size = 0, min(page_size, FIRST)
    first, total = page * page_size, len(found)
    if lie == "shift":
        by = chance.choice((-1, 1))
        first, total = max(0, first + by), max(0, total - by)
    shown = list(found[first : first + page_size])
    if lie == "vanish" and shown:
        shown.pop(chance.randrange(len(shown)))
        total -= 1
    if lie == "wrong-total" and len(shown) == page_size:
        total = first + page_size
    return shown, total


def without_a_status(jobs: list[dict[str, Any]], chance: Random) -> None:
    """Break one of `jobs`."""
    if jobs:
        chance.choice(jobs)["status"] = None


def spoilt(honest: Response, lie: str) -> Response:
    """The honest answer, spoilt on its way if that is where the `lie` strikes."""
    body = bytes(honest.body)
    match lie:
        case "truncated":
            return Response(body[: len(body) // 2], honest.status_code, media_type="application/json")
        case "malformed":
            return json_answer({"object": "list", "data": {"jobs": "moved"}, "total": "many"})
        case "cut" | "drip":
            return _Interrupted(body, drip=lie == "drip")
    return honest


class Silence(Response):
    """No answer: the connection is reset, or nothing happens until the client has had enough."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        if self._kind == "reset":
            transport = scope["extensions"]["transport"]
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            transport.abort()
        await _disconnected(receive)


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
            await _disconnected(receive)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._drip_on, send)
            await _disconnected(receive)
            group.cancel_scope.cancel()

    async def _drip_on(self, send: Send) -> None:
        for at in range(len(self.body)):
            await send({"type": "http.response.body", "body": self.body[at : at + 1], "more_body": at + 1 < len(self.body)})
            await anyio.sleep(DRIP)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
