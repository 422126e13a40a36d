"""The error responses of the simulated API: each status with its headers and its body."""

from email.utils import formatdate
from typing import Any, Final

import msgspec
from starlette.responses import Response

RETRY_AFTER: Final = 1
"""Seconds."""

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
    """The answer to a request that is refused at the moment `at`: an HTTP status, or a kind of `fault_options.REFUSALS`."""
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
