"""Owns what an HTTP answer to a delivery means."""

from typing import Final

from tracker.core.delivery import Outcome, Result
from tracker.core.retry import retry_after
from tracker.http import Answer, NoAnswer

KEPT_OF_A_BAD_ANSWER: Final = 1024
"""Bytes."""


def outcome_of(answer: Answer | NoAnswer, now: int) -> Outcome:
    """2xx alone is success. `now` (Unix milliseconds) is what a Retry-After that is a date counts from."""
    if isinstance(answer, NoAnswer):
        return Outcome(result=Result.NETWORK, detail=answer.detail)
    if 200 <= answer.status < 300:
        return Outcome(result=Result.DELIVERED, status=answer.status)
    return Outcome(
        result=_result(answer.status),
        detail=f"HTTP {answer.status}",
        status=answer.status,
        answer=answer.body[:KEPT_OF_A_BAD_ANSWER].decode("utf-8", "replace"),
        retry_after=retry_after(answer.headers.get("retry-after"), now),
    )


def _result(status: int) -> Result:
    named = {410: Result.GONE, 429: Result.RATE_LIMITED}
    if status in named:
        return named[status]
    if status < 400:
        return Result.REDIRECTED
    return Result.REFUSED if status < 500 else Result.SERVER
