"""Owns the error responses of Anthropic's simulated API: `{"type": "error", "error": {"type", "message"}}`."""

from typing import Final

from starlette.responses import Response

from tracker.simulator.faults.http_error_responses import json_answer, refusal

_KINDS: Final = {
    400: ("invalid_request_error", "The request is invalid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found."),
    429: ("rate_limit_error", "Number of requests has exceeded your per-minute rate limit."),
    500: ("api_error", "Internal server error"),
    503: ("overloaded_error", "Overloaded"),
}


def error(status: int, message: str | None = None) -> Response:
    """An error of this status, with the usual message of the status where none is given."""
    kind, usual = _KINDS[status]
    return json_answer({"type": "error", "error": {"type": kind, "message": message or usual}, "request_id": "req_sim"}, status)


def refused(kind: str, at: float) -> Response:
    """The answer to a request that is refused at the moment `at`, with the headers that Mistral's has."""
    refusal_ = refusal(kind, at)
    if refusal_.media_type != "application/json":
        return refusal_
    answer = error(refusal_.status_code)
    if (wait := refusal_.headers.get("retry-after")) is not None:
        answer.headers["retry-after"] = wait
    return answer
