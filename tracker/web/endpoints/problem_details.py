"""Owns problem details: every error of the API and the pages as application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tracker.core.errors.storage_error import StorageError
from tracker.core.text.escaping import escape_json_bytes

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """The body; `detail` says what was found where, and what was expected."""

    title: str
    status: int
    detail: str
    type: Literal["about:blank"] = "about:blank"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body = escape_json_bytes(msgspec.json.encode(Problem(HTTPStatus(status).phrase, status, detail)))
    return Response(body, status, headers, MEDIA_TYPE)


class BeyondTheLog(Problem, frozen=True, kw_only=True):
    """A place in the log that it does not have: it was replaced by an older one, such as a backup."""

    last_seq: int


def beyond_the_log(after: int, last_seq: int) -> Response:
    """The answer to a consumer whose place is behind the log's end: it would wait, and miss the events logged until then."""
    detail = f"after: found {after}, but the log ends at {last_seq}; was it replaced by a backup? Go on from {last_seq}"
    body = BeyondTheLog(HTTPStatus(409).phrase, 409, detail, last_seq=last_seq)
    return Response(msgspec.json.encode(body), 409, media_type=MEDIA_TYPE)


class Refusal(HTTPException):
    """Raised where a request cannot be served: the status, the detail, and the headers of the response."""


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that raised a `Refusal`, or that no route takes."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    if error.status_code == 404 and error.detail == HTTPStatus(404).phrase:
        return problem(404, f"nothing is at {request.scope['path']!r}")
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return problem(405, f"found {request.method}, expected one of {allowed}", {"allow": allowed})
    return problem(error.status_code, error.detail, error.headers)


async def unreadable(_: Request, error: Exception) -> Response:
    """The answer where the database cannot be read or written."""
    assert isinstance(error, StorageError)  # noqa: S101 - as above
    return problem(503, str(error), {"retry-after": "5"})


async def broken(_: Request, __: Exception) -> Response:
    """The answer to a request that met a bug; the log has its traceback."""
    return problem(500, "this is a bug of batch-tracker's; its log tells more")
