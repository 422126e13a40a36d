"""Owns problem details: every error of the API and the pages as application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from tracker.core.errors.storage_error import StorageError
from tracker.core.text.escaping import escape_json_bytes

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """The body; `detail` has the place, what was found, and what was expected."""

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


def cursor_beyond_log(after: int, last_seq: int) -> Response:
    """The response to a consumer whose cursor is beyond the log's end: it would miss the events logged until then."""
    detail = f"after: found {after}, but the log ends at {last_seq}; was it replaced by a backup? Go on from {last_seq}"
    body = BeyondTheLog(HTTPStatus(409).phrase, 409, detail, last_seq=last_seq)
    return Response(msgspec.json.encode(body), 409, media_type=MEDIA_TYPE)


class BeforeTheLog(Problem, frozen=True, kw_only=True):
    """A place before the log that is kept: what was there is in segments. `first_seq` is where the log begins."""

    first_seq: int


def cursor_before_log(after: int, first_seq: int) -> Response:
    """The response to a consumer whose cursor is before the kept log: it would miss the events that were moved since."""
    detail = (
        f"after: found {after}, but the log begins with {first_seq}; earlier events are in segments, which "
        f"`batch-tracker events --archive` reads. Go on from {first_seq - 1}, or from 0"
    )
    body = BeforeTheLog(HTTPStatus(410).phrase, 410, detail, first_seq=first_seq)
    return Response(msgspec.json.encode(body), 410, media_type=MEDIA_TYPE)


class Refusal(HTTPException):
    """Raised where a request cannot be served: the status, the detail, and the headers of the response."""


async def refusal_response(request: Request, error: Exception) -> Response:
    """The response to a request that raised a `Refusal`, or that no route matches."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    if error.status_code == 404 and error.detail == HTTPStatus(404).phrase:
        return problem(404, f"nothing is at {request.scope['path']!r}")
    if error.status_code == 405:
        allowed = ", ".join(sorted(_allowed_methods(request)))
        return problem(405, f"found {request.method}, expected one of {allowed}", {"allow": allowed})
    return problem(error.status_code, error.detail, error.headers)


def _allowed_methods(request: Request) -> set[str]:
    """Those of all routes of the path: the router refuses a request by the first of them alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    return {method for route in routes if route.matches(request.scope)[0] is not Match.NONE for method in route.methods or ()}


async def storage_error_response(_: Request, error: Exception) -> Response:
    """The response if the database cannot be read or written."""
    assert isinstance(error, StorageError)  # noqa: S101 - as above
    return problem(503, str(error), {"retry-after": "5"})


async def bug_response(_: Request, __: Exception) -> Response:
    """The response if a bug raised an exception; the log has its traceback."""
    return problem(500, "this is a bug of batch-tracker's; its log has the details")
