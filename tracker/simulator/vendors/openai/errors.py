"""Owns the error responses of OpenAI's simulated API: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from tracker.simulator.faults.http_error_responses import json_answer, refusal

_KINDS: Final = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    402: ("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
    403: ("You have insufficient permissions for this operation.", "invalid_request_error", None),
    404: ("No such object.", "invalid_request_error", None),
    429: ("Rate limit reached.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
}


def error(status: int, message: str | None = None, param: str | None = None) -> Response:
    """An error of this status, with the usual message of the status where none is given."""
    usual, kind, code = _KINDS.get(status, ("", "invalid_request_error", None))
    content: dict[str, Any] = {"message": message or usual, "type": kind, "param": param, "code": code}
    return json_answer({"error": content}, status)


def refused(kind: str, at: float) -> Response:
    """The answer to a request that is refused at the moment `at`, with the headers that Mistral's has."""
    refusal_ = refusal(kind, at)
    if refusal_.media_type == "application/json":
        refusal_.body = bytes(error(refusal_.status_code).body)
        refusal_.headers["content-length"] = str(len(refusal_.body))
    return refusal_


def not_found(what: str, id_: str) -> Response:
    return error(404, f"No such {what} object: {msgspec.json.encode(id_).decode()}", "id")
