"""Owns what an HTTP answer to a delivery means."""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import unquote, urlsplit

from tracker.core.delivery import Outcome, Result
from tracker.core.retry import wait_asked
from tracker.http import Answer, NoAnswer
from tracker.redaction import REDACTED

KEPT_OF_A_BAD_ANSWER: Final = 1024
"""Bytes."""

SHORTEST_SECRET: Final = 6
"""Characters; a shorter part of a URL is no secret, and may well be a word of the answer."""


def outcome_of(answer: Answer | NoAnswer, now: int, url: str = "") -> Outcome:
    """2xx alone is success. `now` (Unix milliseconds) is what a Retry-After that is a date counts from.

    What is kept of the answer holds nothing secret of `url`, which many a server quotes where it has no such page.
    """
    if isinstance(answer, NoAnswer):
        return Outcome(result=Result.NETWORK, detail=answer.detail)
    if 200 <= answer.status < 300:
        return Outcome(result=Result.DELIVERED, status=answer.status)
    return Outcome(
        result=_result(answer.status),
        detail=f"HTTP {answer.status}",
        status=answer.status,
        answer=_without(url, answer.body)[:KEPT_OF_A_BAD_ANSWER].decode("utf-8", "replace"),
        retry_after=wait_asked(answer.headers, now),
    )


def _result(status: int) -> Result:
    named = {410: Result.GONE, 429: Result.RATE_LIMITED}
    if status in named:
        return named[status]
    if status < 400:
        return Result.REDIRECTED
    return Result.REFUSED if status < 500 else Result.SERVER


def _without(url: str, body: bytes) -> bytes:
    """`body` without what may be secret of `url`: its user, also as it is sent, and the parts of its path and query."""
    _, host, path, query, _ = urlsplit(url)
    user = host.rpartition("@")[0]
    parts = [*re.split(r"[/?&=:@]", f"{user}/{path}?{query}"), b64encode(unquote(user).encode()).decode()]
    secrets = {form for part in parts for form in (part, unquote(part)) if len(form) >= SHORTEST_SECRET}
    for secret in sorted(secrets, key=len, reverse=True):
        body = body.replace(secret.encode(), REDACTED.encode())
    return body
