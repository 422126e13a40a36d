"""Owns the outcome of an attempt by its HTTP answer."""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.core.deliveries.retry_schedule import requested_wait
from tracker.core.text.redaction import WORD_CHARACTERS, Redaction
from tracker.http.client import Answer, NoAnswer

MAX_KEPT_ANSWER: Final = 1024
"""Bytes of a bad answer."""

MIN_SECRET_LENGTH: Final = 6
"""Characters; a shorter part of a URL is not a secret, and may be a word of the answer."""


def outcome_of(answer: Answer | NoAnswer, now: int, url: str = "", secrets: Iterable[str] = ()) -> Outcome:
    """The outcome; only 2xx is success. A Retry-After that is a date counts from `now` (Unix milliseconds).

    The answer is kept without `secrets` and without the secret parts of `url`: many servers quote the request.
    """
    if isinstance(answer, NoAnswer):
        return Outcome(result=Result.NETWORK, detail=answer.detail)
    if 200 <= answer.status < 300:
        return Outcome(result=Result.DELIVERED, status=answer.status)
    return Outcome(
        result=result_of_status(answer.status),
        detail=f"HTTP {answer.status}",
        status=answer.status,
        answer=shown(answer.body, url, secrets),
        retry_after=requested_wait(answer.headers, now),
    )


def result_of_status(status: int) -> Result:
    """The result of an answer with this HTTP status, which is not 2xx."""
    named = {410: Result.GONE, 429: Result.RATE_LIMITED}
    if status in named:
        return named[status]
    if status < 400:
        return Result.REDIRECTED
    return Result.REFUSED if status < 500 else Result.SERVER


def shown(body: bytes, url: str, secrets: Iterable[str]) -> str:
    """The beginning of a bad answer, without `secrets` and the secret parts of `url`."""
    text = Redaction(parts_of(url), WORD_CHARACTERS)(Redaction(secrets)(body.decode("utf-8", "replace")))
    return text.encode()[:MAX_KEPT_ANSWER].decode("utf-8", "replace")


def parts_of(url: str) -> set[str]:
    """The parts of a URL that may be secret: its user, also in base64, and the parts of path and query, also decoded."""
    _, host, path, query, _ = urlsplit(url)
    user = host.rpartition("@")[0]
    parts = [*re.split(r"[/?&=:@]", f"{user}/{path}?{query}"), b64encode(unquote(user).encode()).decode()]
    return {form for part in parts for form in (part, unquote(part)) if len(form) >= MIN_SECRET_LENGTH}
