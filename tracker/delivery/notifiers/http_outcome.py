"""Owns what an HTTP answer to a delivery means."""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.core.deliveries.retry_schedule import requested_wait
from tracker.core.text.redaction import WORD_CHARACTERS, Redaction
from tracker.http.client import Answer, NoAnswer

KEPT_OF_A_BAD_ANSWER: Final = 1024
"""Bytes."""

SHORTEST_SECRET: Final = 6
"""Characters; a shorter part of a URL is no secret, and may well be a word of the answer."""


def outcome_of(answer: Answer | NoAnswer, now: int, url: str = "", secrets: Iterable[str] = ()) -> Outcome:
    """2xx alone is success. `now` (Unix milliseconds) is what a Retry-After that is a date counts from.

    What is kept of the answer holds none of `secrets` and nothing secret of `url`: many a server quotes what it was asked.
    """
    if isinstance(answer, NoAnswer):
        return Outcome(result=Result.NETWORK, detail=answer.detail)
    if 200 <= answer.status < 300:
        return Outcome(result=Result.DELIVERED, status=answer.status)
    return Outcome(
        result=_result(answer.status),
        detail=f"HTTP {answer.status}",
        status=answer.status,
        answer=shown(answer.body, url, secrets),
        retry_after=requested_wait(answer.headers, now),
    )


def _result(status: int) -> Result:
    named = {410: Result.GONE, 429: Result.RATE_LIMITED}
    if status in named:
        return named[status]
    if status < 400:
        return Result.REDIRECTED
    return Result.REFUSED if status < 500 else Result.SERVER


def shown(body: bytes, url: str, secrets: Iterable[str]) -> str:
    """The beginning of a bad answer, without `secrets` and what is secret of `url`."""
    text = Redaction(_parts_of(url), WORD_CHARACTERS)(Redaction(secrets)(body.decode("utf-8", "replace")))
    return text.encode()[:KEPT_OF_A_BAD_ANSWER].decode("utf-8", "replace")


def _parts_of(url: str) -> set[str]:
    """What may be secret of a URL: its user, also as it is sent, and the parts of path and query, as they are and decoded."""
    _, host, path, query, _ = urlsplit(url)
    user = host.rpartition("@")[0]
    parts = [*re.split(r"[/?&=:@]", f"{user}/{path}?{query}"), b64encode(unquote(user).encode()).decode()]
    return {form for part in parts for form in (part, unquote(part)) if len(form) >= SHORTEST_SECRET}
