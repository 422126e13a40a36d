"""Owns the error responses of Gemini's simulated API: `{"error": {"code", "message", "status"}}`."""

from typing import Final

from starlette.responses import Response

from tracker.simulator.faults.http_error_responses import json_answer, refusal

_STATUSES: Final = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    402: ("FAILED_PRECONDITION", "Billing is not enabled."),
    403: ("PERMISSION_DENIED", "The caller does not have permission."),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
}
NO_FILE: Final = "You do not have permission to access the File or it may not exist."


def error(status: int, message: str | None = None) -> Response:
    """An error of this status, with the usual message of the status where none is given."""
    name, usual = _STATUSES[status]
    return json_answer({"error": {"code": status, "message": message or usual, "status": name}}, status)


def refused_file(status: int) -> Response:
    """The same of a file. Whether there is none, or none for this key, the API does not say."""
    return error(403, NO_FILE) if status == 404 else error(status)


def refused(kind: str, at: float) -> Response:
    """The answer to a request that is refused at the moment `at`, with the headers that Mistral's has."""
    refusal_ = refusal(kind, at)
    if refusal_.media_type != "application/json":
        return refusal_
    answer = _refused_key() if refusal_.status_code == 401 else error(refusal_.status_code)
    if (wait := refusal_.headers.get("retry-after")) is not None:
        answer.headers["retry-after"] = wait
    return answer


def _refused_key() -> Response:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    message = "API key not valid. Please pass a valid API key."
    return json_answer({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [reason]}}, 400)
