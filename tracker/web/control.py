"""Owns the routes that change something: /control/replay, for whoever has the token of `DATABASE.control`."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tracker.core.ports import StorageError
from tracker.core.replay import Replay, Replayed
from tracker.web.app import SAFE

BODY_LIMIT: Final = 16 * 1024
"""Bytes."""

Replaying = Callable[[Replay], Awaitable[Replayed | str]]
"""Replays, or says which receivers there are."""


def control_routes(replay: Replaying, token: str) -> list[Route]:
    return [Route("/control/replay", _ReplayRoute(replay, token))]


class _ReplayRoute:
    """Takes a `Replay` as JSON and answers with a `Replayed`, or with an `error`; the token comes before the method."""

    def __init__(self, replay: Replaying, token: str) -> None:
        self._replay = replay
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = self._refused(request) or await self._answer(request)
        await answer(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        """The answer to whom is not to be listened to at all, before anything of the body is read."""
        if not compare_digest(request.headers.get("authorization", "").encode("latin-1"), self._expected):
            headers = {"www-authenticate": "Bearer"}
            return _error(401, "send the token of DATABASE.control, as Authorization: Bearer TOKEN", headers)
        if request.method != "POST":
            return _error(405, f"found {request.method}, expected POST", {"allow": "POST"})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error(415, "expected content-type: application/json")
        return None

    async def _answer(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _error(413, f"expected at most {BODY_LIMIT} bytes")
        try:
            which = msgspec.json.decode(body, type=Replay)
        except msgspec.ValidationError as error:
            return _error(422, str(error))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return _error(400, f"expected JSON: {error}")
        try:
            done = await self._replay(which)
        except StorageError as error:
            return _error(503, str(error))
        if isinstance(done, str):
            return _error(404, done)
        return JSONResponse(msgspec.to_builtins(done), headers=SAFE)


async def _body(request: Request) -> bytes | None:
    """The whole body; None where it is longer than anybody needs, or its sender has gone."""
    body = bytearray()
    with suppress(ClientDisconnect):
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                return None
        return bytes(body)
    return None


def _error(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, status_code=status, headers={**SAFE, **(headers or {})})
