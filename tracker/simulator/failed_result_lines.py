"""Owns the failures of single requests: each documented shape of a failed result line, and how often each occurs in a job.

No real failed line is published. The shapes are those that Mistral's official client reads (`mistralai.extra.batch`) and
those of the errors of the synchronous API.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from zlib import crc32

IN_OUTPUT_EVERY: Final = 8
"""One of this number of failed lines is in the output file, if the job has one."""


class LineFailure(NamedTuple):
    """A failed request: what the job's `errors` count it under, and its result line without `id` and `custom_id`.

    `custom_id` says what the line has as its ID: the request's own ("given"), null ("null") or no such property ("absent").
    """

    message: str
    line: Mapping[str, Any]
    custom_id: str = "given"


def _answer(status: int, body: object) -> dict[str, Any]:
    return {"response": {"status_code": status, "body": body}, "error": None}


def _error(status: int, message: str, kind: str, code: str) -> LineFailure:
    return LineFailure(
        message, _answer(status, {"object": "error", "message": message, "type": kind, "param": None, "code": code})
    )


_TOO_LONG: Final = "Prompt contains {} tokens, too large for a model with a maximum context length of 32768"
_FIELD: Final = {"type": "missing", "loc": ["body", "messages"], "msg": "Field required", "input": {}}

FAILURES: Final = (
    _error(400, "Context length exceeded", "invalid_request_prompt", "3051"),
    LineFailure("rate limited", {"response": None, "error": "rate limited"}),
    _error(400, _TOO_LONG.format(33210), "invalid_request_prompt", "3051"),
    _error(400, _TOO_LONG.format(41876), "invalid_request_prompt", "3051"),
    LineFailure("Field required", _answer(422, {"detail": [_FIELD]})),
    _error(500, "Internal server error", "internal_server_error", "3000"),
    LineFailure("Service unavailable", {"response": None, "error": {"code": "3500", "message": "Service unavailable"}}),
    LineFailure("Content was moderated", _answer(403, {"error": {"message": "Content was moderated", "type": "moderated"}})),
    LineFailure("Line is not valid JSON", {"response": None, "error": {"message": "Line is not valid JSON"}}, "null"),
    LineFailure("Request timed out", {"error": "Request timed out"}, "absent"),
    LineFailure("HTTP 503", {"response": {"status_code": 503, "body": None}}),
)
"""Every shape. A job has three that follow each other here, or all of them."""

_USUAL: Final = (0, 0, 1, 0, 0, 1, 2, 0)
_EVERY: Final = tuple(range(len(FAILURES)))
"""Which of its failures a job has, again and again."""


def failure(job_id: str, number: int, *, every: bool = False) -> LineFailure:
    """The failed request of this number (from 0, in the order of completion) of a job that has `every` failure, or three."""
    return _at(_first(job_id), number, _EVERY if every else _USUAL)


def is_in_output(number: int) -> bool:
    """Whether the failed line of this number stands in the output file, if there is one; the first one never does."""
    return number % IN_OUTPUT_EVERY == IN_OUTPUT_EVERY - 1


def error_counts(job_id: str, failed: int, *, every: bool = False) -> list[dict[str, Any]]:
    """The job's `errors` after this number of failed requests, `[{"message": …, "count": …}]`, the most frequent one first."""
    first, order = _first(job_id), _EVERY if every else _USUAL
    rounds, rest = divmod(failed, len(order))
    counts: Counter[str] = Counter()
    for number in range(len(order)):
        counts[_at(first, number, order).message] += rounds + (number < rest)
    return [{"message": message, "count": count} for message, count in counts.most_common() if count]


def _at(first: int, number: int, order: tuple[int, ...]) -> LineFailure:
    return FAILURES[(first + order[number % len(order)]) % len(FAILURES)]


def _first(job_id: str) -> int:
    return crc32(job_id.encode()) % len(FAILURES)
